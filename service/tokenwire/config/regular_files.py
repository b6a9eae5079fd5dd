"""Reads the files that an operator names, whatever stands in their place."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 1024 * 1024
"""Of one file: the certificates of all public authorities have a quarter of that."""


def read_regular(path: Path) -> bytes:
    """Return the content of a regular file.

    Reading a FIFO or a device could wait, or go on, for ever.

    Raises:
        OSError: It is no regular file, too large, or cannot be read.
    """
    # Without O_NONBLOCK opening a FIFO waits for its writer.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "Not a regular file")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"Larger than {MOST_BYTES:,} bytes")
    return content
