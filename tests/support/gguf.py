"""Writes a model file of llama.cpp.

https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import struct
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

ALIGNMENT: Final = 32
Value: TypeAlias = int | float | bool | str | Sequence[str] | Sequence[int]
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
"""The types of values."""
F32: Final = 0
"""The type of tensors."""


@dataclass(frozen=True)
class Tensor:
    """A vector, or a matrix by its rows.

    Attributes:
        columns: The length of a row.
        values: All rows.
        matrix: Whether it is a matrix; otherwise it has one row.
    """

    columns: int
    values: Sequence[float]
    matrix: bool = True

    @property
    def sizes(self) -> tuple[int, ...]:
        """The lengths of its dimensions, that of a row first."""
        return (self.columns, len(self.values) // self.columns)[: 1 + self.matrix]


def write(path: Path, values: Mapping[str, Value], tensors: Mapping[str, Tensor]) -> None:
    """Write a file with these values and tensors."""
    out = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values)))
    for key, value in values.items():
        out += _string(key) + _typed(value)
    offset = 0
    for name, tensor in tensors.items():
        sizes = tensor.sizes
        out += _string(name) + struct.pack(f"<I{len(sizes)}Q", len(sizes), *sizes)
        out += struct.pack("<IQ", F32, offset)
        offset += _padded(4 * len(tensor.values))
    out.extend(bytes(_padded(len(out)) - len(out)))
    for tensor in tensors.values():
        out += array("f", tensor.values).tobytes()
        out.extend(bytes(_padded(len(out)) - len(out)))
    path.write_bytes(out)


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _typed(value: Value) -> bytes:
    match value:
        case bool():
            return struct.pack("<IB", BOOL, value)
        case int():
            return struct.pack("<II", UINT32, value)
        case float():
            return struct.pack("<If", FLOAT32, value)
        case str():
            return struct.pack("<I", STRING) + _string(value)
    texts = [_string(item) for item in value if isinstance(item, str)]
    numbers = [struct.pack("<i", item) for item in value if isinstance(item, int)]
    items = texts or numbers
    kind = STRING if texts else INT32
    return struct.pack("<IIQ", ARRAY, kind, len(items)) + b"".join(items)
