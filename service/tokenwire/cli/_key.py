"""The options of subcommands that call with a key or a token."""

import argparse
from pathlib import Path

from tokenwire.cli._values import unicode

MAX_FILE_BYTES = 65_536


def add_key_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the caller's key or token."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--key",
        type=_key,
        help="call with this key; other users of this machine can see it in the list of processes",
    )
    group.add_argument(
        "--key-file",
        type=token_of_file,
        dest="key",
        metavar="FILE",
        help="call with the key in this file",
    )
    group.add_argument(
        "--token-file",
        type=_token_file,
        metavar="FILE",
        help="call with the token in this file, which is read again when it changes",
    )


def _key(text: str) -> str:
    key = text.strip()
    if not key or not (key.isascii() and key.isprintable()):
        # The message does not repeat it.
        raise argparse.ArgumentTypeError("a key or token must be one line of printable ASCII")
    return key


def _token_file(path: str) -> Path:
    token_of_file(path)
    return Path(unicode(path))


def token_of_file(path: str) -> str:
    """Return the key or token in a file.

    Raises:
        argparse.ArgumentTypeError: The file cannot be read, or has something else.
    """
    from tokenwire.config.regular_files import read_regular  # noqa: PLC0415 - takes time to load

    try:
        text = read_regular(Path(unicode(path)), MAX_FILE_BYTES).decode("ascii", "replace")
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {path!r}: {error.strerror}") from None
    return _key(text)
