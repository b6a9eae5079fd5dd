"""A file of lines that several processes append to, and that may be rotated."""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

NO_FILE: Final = -1


class SharedFile:
    """A file to which whole lines are appended.

    An exclusive `flock` is held for each write, so that a write that fails, because the disk is
    full, can be undone, and no other process continues half a line.

    Args:
        path: The file. It is created if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = NO_FILE

    def open(self) -> None:
        """Open the file, or open it again.

        Raises:
            OSError: It is not a regular file, or cannot be opened or locked.
        """
        self.close()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o640)
        try:
            _require_regular(descriptor)
            with _locked(descriptor):
                pass
            _sync_folder(self._path.parent)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def close(self) -> None:
        """Close the file. It can be opened again."""
        if self._descriptor != NO_FILE:
            os.close(self._descriptor)
            self._descriptor = NO_FILE

    @property
    def is_open(self) -> bool:
        """Whether the file is open."""
        return self._descriptor != NO_FILE

    @property
    def is_current(self) -> bool:
        """Whether the open file is still the one with this name."""
        try:
            found = self._path.stat()
        except OSError:
            return False
        opened = os.fstat(self._descriptor)
        return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)

    def append(self, lines: bytes) -> None:
        """Append whole lines.

        Raises:
            OSError: They cannot be written; none of them is in the file.
        """
        with _locked(self._descriptor):
            size = os.fstat(self._descriptor).st_size
            # A process that was killed may have left half a line.
            if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
                lines = b"\n" + lines
            try:
                _write_all(self._descriptor, lines)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, size)
                raise

    def sync(self) -> None:
        """Wait until the disk has what was appended.

        Raises:
            OSError: The disk may have lost it.
        """
        os.fsync(self._descriptor)


def _require_regular(descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "Not a regular file")


@contextlib.contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    """Wait until the disk has the name of a new file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
