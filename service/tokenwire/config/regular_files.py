"""Files named by an operator: what tells their contents apart, and reading without blocking."""

import errno
import os
import stat
from pathlib import Path
from typing import Final, TypeAlias

MAX_FILE_BYTES: Final = 1024 * 1024
"""The largest file that settings name; the certificates of all public authorities take a quarter of
it."""


Identity: TypeAlias = tuple[int, ...] | None
"""What tells contents of a file apart; None if it cannot be found."""


def identity_of(path: Path) -> Identity:
    """Return what changes when a file is replaced or written, also behind symbolic links."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read_regular(path: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """Return the content of a regular file.

    Reading a FIFO or a device could block or continue forever.

    Args:
        path: The name of the file.
        max_bytes: The largest size of the file, in bytes.

    Raises:
        OSError: The file is not regular, is too large, or cannot be read.
    """
    # Without O_NONBLOCK, opening a FIFO blocks until it has a writer.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "Not a regular file")
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"Larger than {max_bytes:,} bytes")
    return content
