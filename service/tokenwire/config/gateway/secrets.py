"""Resolves the references to secrets in the gateway file."""

import os
from pathlib import Path
from typing import Final

from tokenwire.config.regular_files import read_regular

MAX_SECRET_BYTES: Final = 65_536
ENV: Final = "env:"
FILE: Final = "file:"


class SecretError(Exception):
    """A secret cannot be read, or is not the value of a header. The message does not repeat it."""


def is_reference(text: str) -> bool:
    """Report whether a text is a reference and not a value."""
    return text.startswith((ENV, FILE))


def file_of(reference: str, directory: Path) -> Path | None:
    """Return the file that a reference names, or None if it names a variable.

    Args:
        reference: The reference.
        directory: The directory of the gateway file, to which relative paths belong.
    """
    return directory / reference.removeprefix(FILE) if reference.startswith(FILE) else None


def resolve(reference: str, directory: Path) -> str:
    """Return the secret, without white space around it.

    Args:
        reference: env:NAME or file:PATH.
        directory: See `file_of`.

    Raises:
        SecretError: It is missing, empty or not printable ASCII.
    """
    path = file_of(reference, directory)
    if path is None:
        text = os.environ.get(reference.removeprefix(ENV), "")
        problem = "the variable is not set or empty"
    else:
        try:
            text = read_regular(path, MAX_SECRET_BYTES).decode()
        except OSError as error:
            raise SecretError(f"the file cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SecretError("the file must be text in UTF-8") from None
        problem = "the file is empty"
    text = text.strip()
    if not text:
        raise SecretError(problem)
    if not (text.isascii() and text.isprintable()):
        raise SecretError("the secret must be one line of printable ASCII")
    return text
