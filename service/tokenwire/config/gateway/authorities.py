"""Reads the files with certificate authorities that the gateway file names."""

import ssl
from pathlib import Path
from typing import Final

from tokenwire.config.regular_files import read_regular

NOT_PEM: Final = "must be a PEM file with certificates"


class AuthoritiesError(Exception):
    """A file with authorities cannot be used."""


def read_authorities(path: Path) -> str:
    """Return the content of a PEM file with certificate authorities.

    Raises:
        AuthoritiesError: It cannot be read or used.
    """
    try:
        text = read_regular(path).decode("ascii")
        ssl.create_default_context(cadata=text)
    except OSError as error:
        wrong = isinstance(error, ssl.SSLError)
        raise AuthoritiesError(NOT_PEM if wrong else f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise AuthoritiesError(NOT_PEM) from None
    return text
