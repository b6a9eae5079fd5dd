"""The metadata with which a client says who calls: a key, or a token in a file."""

from pathlib import Path
from typing import Final

MAX_FILE_BYTES: Final = 65_536


class CallerCredentials:
    """A caller's key or token, which every call has as `authorization`.

    Threads may share it.

    Args:
        key: The key; None without one.
        token_file: The file with a token; None without one. It is read at the first call, and
            again when it changes.

    Raises:
        ValueError: Both are given, or the key is empty or not printable ASCII.
    """

    def __init__(self, key: str | None, token_file: str | Path | None) -> None:
        if key is not None and token_file is not None:
            raise ValueError("key and token_file cannot be combined; set one of them")
        self._path = None if token_file is None else Path(token_file)
        self._metadata = () if key is None else _authorization(key, "key")
        self._identity: tuple[int, ...] | None = None

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata of a call; empty without a key and a file.

        If the file cannot be read any more, the last token is used on, until the server says
        that it is too old.

        Raises:
            OSError: The file cannot be read, and never could.
            ValueError: It is empty, too large or not printable ASCII.
        """
        if self._path is None:
            return self._metadata
        try:
            # The kubelet replaces a link above the file, so its identity is that of its target.
            found = self._path.stat()
            identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            if identity != self._identity:
                with self._path.open("rb") as file:
                    content = file.read(MAX_FILE_BYTES + 1)
                text = content.decode("ascii", "replace")
                if len(content) > MAX_FILE_BYTES:
                    text = ""
                self._metadata = _authorization(text, f"the content of {self._path}")
                self._identity = identity
        except OSError:
            if not self._metadata:
                raise
        return self._metadata


def _authorization(text: str, name: str) -> tuple[tuple[str, str], ...]:
    text = text.strip()
    # The message does not repeat it.
    if not text or not (text.isascii() and text.isprintable()):
        raise ValueError(f"{name} must be one line of printable ASCII")
    return (("authorization", f"Bearer {text}"),)
