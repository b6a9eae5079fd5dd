"""Creates a private directory for a Unix socket, and removes those that killed processes left."""

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
SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - mkdtemp makes directories private
MAX_PARENT_BYTES: Final = 90
"""The longest path of the parent directory. A socket's whole path must not exceed 107 bytes."""
MIN_STALE_SECONDS: Final = 60.0
"""The least age of a stale socket. The process of a younger one may not listen yet."""
MAX_SCANNED: Final = 1_000
"""The most directories that are checked for stale sockets at the start."""


def make() -> Path:
    """Create a directory with mode 0700 whose path is short enough for a socket.

    Raises:
        OSError: No parent directory is writable.
    """
    for parent in _parents():
        _remove_stale(parent)
        with suppress(OSError):
            return Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    raise OSError("no writable directory for a socket")


def remove(directory: Path) -> None:
    """Remove a directory and its socket.

    Errors are ignored, for example on a file system that has become read-only, because the
    process has answers to finish while it stops. `tempfile.TemporaryDirectory` would raise.
    """
    with suppress(OSError):
        (directory / SOCKET).unlink(missing_ok=True)
        directory.rmdir()


def _parents() -> Iterator[Path]:
    # Raised if no temporary directory is writable, as on a read-only root file system.
    with suppress(FileNotFoundError):
        path = tempfile.gettempdir()
        # gRPC parses the path as part of a URI: UTF-8, with percent-encoding.
        if len(os.fsencode(path)) <= MAX_PARENT_BYTES and path.isprintable() and "%" not in path:
            yield Path(path)
    yield SHARED_MEMORY


def _remove_stale(parent: Path) -> None:
    """Remove the directories of killed processes, on whose sockets no process listens."""
    with suppress(OSError):
        for directory in islice(parent.glob(f"{PREFIX}*"), MAX_SCANNED):
            # The directory may belong to another user, or another process may be removing it.
            with suppress(OSError):
                if directory.lstat().st_uid == os.getuid() and _is_stale(directory / SOCKET):
                    remove(directory)


def _is_stale(path: Path) -> bool:
    """Report whether `path` is a socket on which no process listens.

    Raises:
        OSError: The file does not exist, or its state cannot be read.
    """
    if not path.is_socket() or time.time() - path.lstat().st_mtime < MIN_STALE_SECONDS:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.setblocking(False)  # noqa: FBT003 - the method takes no keyword
        try:
            peer.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False
