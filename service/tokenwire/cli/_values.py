"""Values of options that fit the fields of a request."""

import argparse
from collections.abc import Callable
from typing import Final

LARGEST_FLOAT: Final = 3.4028234663852886e38
"""The largest number of a protobuf `float` (IEEE 754, 32 bits)."""


def unicode(text: str) -> str:
    """Check that an argument, which may be any bytes, is text.

    Raises:
        argparse.ArgumentTypeError: It is not valid UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        at = len(text[: error.start].encode())
        raise argparse.ArgumentTypeError(f"not valid UTF-8 at byte {at}") from None
    return text


def integer(bits: int) -> Callable[[str], int]:
    """Return what reads a signed integer of so many bits."""
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
    """Read a finite number that a 32-bit float can hold.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not abs(number) <= LARGEST_FLOAT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return number
