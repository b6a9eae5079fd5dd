"""Parsers of option values, with the ranges of the request's fields."""

import argparse
from collections.abc import Callable
from typing import Final

MAX_FLOAT: Final = 3.4028234663852886e38
"""The largest number of a protobuf `float` (IEEE 754, 32 bits)."""


def unicode(text: str) -> str:
    """Return `text` if the argument is valid UTF-8.

    Raises:
        argparse.ArgumentTypeError: The argument is not valid UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        at = len(text[: error.start].encode())
        raise argparse.ArgumentTypeError(f"not valid UTF-8 at byte {at}") from None
    return text


def integer(bits: int) -> Callable[[str], int]:
    """Return a parser of signed integers with `bits` bits."""
    limit = 1 << (bits - 1)

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = limit
        if not -limit <= number < limit:
            allowed = f"{-limit} to {limit - 1}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {allowed}")
        return number

    return read


def real(text: str) -> float:
    """Parse a finite number in the range of a 32-bit float.

    Raises:
        argparse.ArgumentTypeError: The text is not such a number.
    """
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not abs(number) <= MAX_FLOAT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return number
