"""Decodes vectors as they arrive."""

import binascii
import math
import sys
from array import array
from typing import Final

import msgspec

from tokenwire.core.embeddings import BYTES_PER_NUMBER, check_size
from tokenwire.core.errors import UpstreamProtocolError

MAX_VECTOR_TEXT_BYTES: Final = 1 << 20
"""The size limit of the JSON of one vector: 40,000 numbers with 17 digits each."""

_decode_numbers: Final = msgspec.json.Decoder(list[float]).decode


class Vectors:
    """Collects the vectors of one response.

    Args:
        count: The number of texts.

    Attributes:
        packed: The vectors in the order of arrival, as little-endian 32-bit floats.
    """

    def __init__(self, count: int) -> None:
        self.packed: list[bytes] = []
        self._count = count

    def add(self, value: bytes) -> None:
        """Add the JSON of a vector: a list of numbers, or the base64 of 32-bit floats.

        Raises:
            InvalidParameter: The vectors exceed MAX_VECTOR_BYTES.
            UpstreamProtocolError: The vector is empty, has a number that is not finite or another
                length than the first one, or there are more vectors than texts.
        """
        try:
            numbers = _from_base64(value) if value.startswith(b'"') else _from_json(value)
        except (ValueError, OverflowError, RecursionError):
            raise UpstreamProtocolError from None
        # The sum of finite 32-bit floats is a finite 64-bit float.
        if not numbers or not math.isfinite(sum(numbers)):
            raise UpstreamProtocolError
        if sys.byteorder == "big":
            numbers.byteswap()
        packed = numbers.tobytes()
        self.packed.append(packed)
        if len(packed) != len(self.packed[0]) or len(self.packed) > self._count:
            raise UpstreamProtocolError
        # All vectors have the length of the first one, so the sum is known with it.
        check_size(self._count, len(packed) // BYTES_PER_NUMBER)


def _from_base64(value: bytes) -> "array[float]":
    numbers = array("f")
    # JSON may escape the slashes of base64.
    encoded = value[1:-1].replace(b"\\/", b"/")
    numbers.frombytes(binascii.a2b_base64(encoded, strict_mode=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _from_json(value: bytes) -> "array[float]":
    return array("f", _decode_numbers(value))
