"""A directory of this user alone for a Unix socket, and what is left of those of dead processes."""

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

PREFIX: Final = "tokenwire-"
SOCKET: Final = "probe"
IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - directories in it are made for this user alone
SHORT_PATH: Final = 90
"""Bytes of a directory's path that leave room for a name; the system takes 107."""
OLD_SECONDS: Final = 60.0
"""A socket that is younger may be one that its process does not listen on yet."""
MOST_LEFT: Final = 1_000
"""How many directories are looked at, at the start."""


def make() -> Path:
    """Make a directory, with a path that is fit for a socket.

    Raises:
        OSError: There is no place for one.
    """
    for place in _places():
        _remove_left(place)
        with suppress(OSError):
            return Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    raise OSError("no place for a directory")


def remove(directory: Path) -> None:
    """Remove a directory and its socket.

    Where that cannot be done any more, as when the file system has become read-only, they stay:
    a process that stops has answers to finish. `tempfile.TemporaryDirectory` raises then.
    """
    with suppress(OSError):
        (directory / SOCKET).unlink(missing_ok=True)
        directory.rmdir()


def _places() -> Iterator[Path]:
    # Without any place that can be written, as with a root that is read-only.
    with suppress(FileNotFoundError):
        path = tempfile.gettempdir()
        # gRPC takes a path for a part of a URI, in UTF-8, where a percent sign has a meaning.
        if len(os.fsencode(path)) <= SHORT_PATH and path.isprintable() and "%" not in path:
            yield Path(path)
    yield IN_MEMORY


def _remove_left(place: Path) -> None:
    """Remove directories whose processes were killed: nobody listens on their sockets."""
    with suppress(OSError):
        for directory in islice(place.glob(f"{PREFIX}*"), MOST_LEFT):
            # Another user's, or one that another process removes at the same time.
            with suppress(OSError):
                if directory.lstat().st_uid == os.getuid() and _is_left(directory / SOCKET):
                    remove(directory)


def _is_left(path: Path) -> bool:
    """Tell whether the file is a socket on which nobody listens.

    Raises:
        OSError: There is no such file, or its state cannot be known.
    """
    if not path.is_socket() or time.time() - path.lstat().st_mtime < OLD_SECONDS:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.setblocking(False)  # noqa: FBT003 - the method takes no keyword
        try:
            peer.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False
