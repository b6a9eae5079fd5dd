"""Reads the names that an upstream gives to an answer and its model."""

from typing import Final

MAX_NAME_BYTES: Final = 256


def name_of(value: object) -> str:
    """Return a name or the digits of a number; empty for other types and if it is too long."""
    name = str(value) if isinstance(value, str | int) else ""
    return name if len(name.encode()) <= MAX_NAME_BYTES else ""
