"""Reads the members of JSON objects, and tells which were not read."""

from collections.abc import Iterator
from typing import Any, Final

from tokenwire.core.errors import InvalidParameter

MAX_INTEGER: Final = (1 << 31) - 1
MAX_LONG: Final = (1 << 63) - 1
UNSET: Final[tuple[Any, ...]] = (None, "", [], {})
"""The values of members that say nothing."""
MAX_NAME_LENGTH: Final = 64
"""The most characters of a name that the service does not know, in a path."""


class JsonMembers:
    """The members of a JSON object of a request.

    Each method returns one, or None if it is absent or null.

    Args:
        value: The object.
        path: Its path in the body, for errors; empty for the body itself.

    Raises:
        InvalidParameter: The value is not an object. The methods raise it if a member is of
            another type; the error names it.
    """

    def __init__(self, value: Any, path: str = "") -> None:
        if not isinstance(value, dict):
            raise InvalidParameter(path, "must be an object")
        self._members: dict[str, Any] = value
        self._path = path
        self._read: set[str] = set()

    def path(self, name: str) -> str:
        """Return the path of a member."""
        return f"{self._path}.{name}" if self._path else name

    def take(self, name: str) -> Any:
        """Return a member of any type."""
        self._read.add(name)
        return self._members.get(name)

    def text(self, name: str) -> str | None:
        """Return a string."""
        value = self.take(name)
        if value is not None and not isinstance(value, str):
            raise InvalidParameter(self.path(name), "must be a string")
        return value

    def flag(self, name: str) -> bool | None:
        """Return a boolean."""
        value = self.take(name)
        if value is not None and not isinstance(value, bool):
            raise InvalidParameter(self.path(name), "must be true or false")
        return value

    def integer(self, name: str, most: int = MAX_INTEGER) -> int | None:
        """Return an integer from -`most` - 1 to `most`."""
        value = self.take(name)
        if value is None:
            return None
        if type(value) is not int or not -most - 1 <= value <= most:
            description = f"must be an integer from {-most - 1} to {most}"
            raise InvalidParameter(self.path(name), description)
        return value

    def number(self, name: str) -> float | None:
        """Return a number."""
        value = self.take(name)
        if value is None:
            return None
        if type(value) not in (int, float):
            raise InvalidParameter(self.path(name), "must be a number")
        # An integer can be too large for a float.
        return float(max(-MAX_LONG, min(value, MAX_LONG)))

    def items(self, name: str) -> list[Any] | None:
        """Return an array."""
        value = self.take(name)
        if value is not None and not isinstance(value, list):
            raise InvalidParameter(self.path(name), "must be an array")
        return value

    def object(self, name: str) -> "JsonMembers | None":
        """Return the members of an object."""
        value = self.take(name)
        return None if value is None else JsonMembers(value, self.path(name))

    def rest(self) -> Iterator[str]:
        """Yield the paths of the members that were not read and say something."""
        for name, value in self._members.items():
            if name not in self._read and value not in UNSET:
                yield self.path(shown(name))


def shown(name: str) -> str:
    """Return a name of the caller as it may stand in a path."""
    return name if name.isprintable() and len(name) <= MAX_NAME_LENGTH else "(another member)"
