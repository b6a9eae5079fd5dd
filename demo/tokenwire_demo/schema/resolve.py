"""Resolves `$ref` and `allOf` in a JSON schema, within limits of the work."""

from functools import reduce
from typing import Any, Final
from urllib.parse import unquote

from tokenwire_demo.schema.errors import NoInstanceError, SchemaError
from tokenwire_demo.schema.merge import Schema, merged

MAX_VALUES: Final = 5_000
"""The most values of an instance, with those of alternatives that are tried and given up."""
MAX_ENTRIES: Final = 100_000
"""The most properties, alternatives and other list entries that are read, each time they are."""
MAX_DEPTH: Final = 64
"""The most levels of a schema, with those that a `$ref` leads to."""


class SchemaResolver:
    """Returns the parts of a schema without `$ref` and `allOf`.

    Args:
        root: The whole schema, to which each `$ref` refers.
    """

    def __init__(self, root: object) -> None:
        self._root = root
        self._values = 0
        self._entries = 0

    def flat(
        self, schema: object, path: str, active: frozenset[str], depth: int
    ) -> tuple[Schema, frozenset[str]]:
        """Return an equal schema without `$ref` and `allOf`, and the references that lead to it.

        Args:
            schema: The schema.
            path: Its place in the root.
            active: The references that lead here.
            depth: The number of levels above it.

        Raises:
            SchemaError: The schema is malformed or over a limit.
            NoInstanceError: It contradicts itself, or refers to itself without an end.
        """
        self._count(schema, path, depth)
        if schema is True:
            return {}, active
        if schema is False:
            raise NoInstanceError(path, "no value is allowed")
        if not isinstance(schema, dict):
            raise SchemaError(path, "a schema must be a JSON object or a boolean")
        parts: list[object] = []
        if "$ref" in schema:
            reference = schema["$ref"]
            parts.append(self._target(reference, path))
            if reference in active:
                raise NoInstanceError(
                    path, f"$ref {reference[:100]!r} refers to itself without an end"
                )
            active |= {reference}
        if "allOf" in schema:
            parts += schemas(schema, "allOf", path)
        result: Schema = {k: v for k, v in schema.items() if k not in ("$ref", "allOf")}
        flats = [self.flat(part, path, active, depth + 1) for part in parts]
        whole = reduce(lambda one, other: merged(one, other[0], path), flats, result)
        return whole, active.union(*(followed for _, followed in flats))

    def _count(self, schema: object, path: str, depth: int) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise SchemaError(path, f"an instance has more than {MAX_VALUES} values")
        if depth > MAX_DEPTH:
            raise SchemaError(path, f"the schema has more than {MAX_DEPTH} levels")
        if isinstance(schema, dict):
            entries = (len(each) for each in schema.values() if isinstance(each, list | dict))
            self._entries += len(schema) + sum(entries)
        if self._entries > MAX_ENTRIES:
            raise SchemaError(path, f"the schema has more than {MAX_ENTRIES} entries to read")

    def _target(self, reference: object, path: str) -> Any:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise NoInstanceError(path, f"$ref must begin with '#/', not {str(reference)[:100]!r}")
        place = self._root
        for step in unquote(reference).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(place, dict) and name in place:
                place = place[name]
            elif isinstance(place, list) and name.isdecimal() and int(name) < len(place):
                place = place[int(name)]
            else:
                raise SchemaError(path, f"$ref {reference[:100]!r} does not exist")
        return place


def schemas(schema: Schema, keyword: str, path: str) -> list[object]:
    """Return the list of schemas of a keyword.

    Raises:
        SchemaError: It is not a non-empty list.
    """
    value = schema[keyword]
    if not isinstance(value, list) or not value:
        raise SchemaError(path, f"{keyword} must be a non-empty list of schemas")
    return value
