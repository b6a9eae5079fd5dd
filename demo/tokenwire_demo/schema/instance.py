"""Builds the instance of a JSON schema, within limits of its size and of the work."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tokenwire_demo.schema.errors import NoInstanceError, SchemaError, below
from tokenwire_demo.schema.merge import Schema, key, same
from tokenwire_demo.schema.resolve import MAX_VALUES, SchemaResolver, schemas
from tokenwire_demo.schema.values import count, is_within_bounds, number, string

MAX_CHARACTERS: Final = 100_000
"""The most characters of all strings and names of an instance, and of those that are tried."""
_UNSUPPORTED: Final = (
    *("not", "if", "pattern", "patternProperties", "contains", "propertyNames"),
    *("dependencies", "dependentRequired", "dependentSchemas", "$dynamicRef", "$recursiveRef"),
)
_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "object": ("properties", "required", "additionalProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("minLength", "maxLength", "format"),
    "boolean": (),
    "integer": (),
    "null": (),
}
"""The types, with the keywords by which a schema without `type` means one."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The values that an instance has where the schema allows any."""

    text: str = "simulated"
    number: int = 1


_PYTHON_TYPES: Final[Mapping[str, type]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "null": type(None),
}


def instance(schema: object, samples: Samples = Samples()) -> Any:
    """Return a value that fits a JSON schema. Equal schemas get equal values.

    Raises:
        SchemaError: The schema is malformed, has no instance, uses a keyword that is not
            supported, or its instance is over a limit.
    """
    return _Builder(schema, samples).build(schema, "", frozenset({"#"}), 0)


class _Builder:
    def __init__(self, root: object, samples: Samples) -> None:
        self._resolver = SchemaResolver(root)
        self._samples = samples
        self._characters = 0

    def build(self, schema: object, path: str, active: frozenset[str], depth: int) -> Any:
        """Return an instance.

        Args:
            schema: The schema.
            path: Its place in the root.
            active: The references that lead here. Following one again would never end.
            depth: The number of levels above it.
        """
        flat, active = self._resolver.flat(schema, path, active, depth)
        for keyword in _UNSUPPORTED:
            if keyword in flat:
                raise NoInstanceError(path, f"the demo model does not support {keyword!r}")
        if alternatives := _alternatives(flat, path):
            return self._first(alternatives, path, active, depth)
        if "const" in flat or "enum" in flat:
            return self._counted(_listed(flat, path), path)
        [kind] = _types(flat, path)
        if kind == "object":
            return self._object(flat, path, active, depth)
        if kind == "array":
            return self._array(flat, path, active, depth)
        return self._scalar(kind, flat, path)

    def _scalar(self, kind: str, schema: Schema, path: str) -> Any:
        if kind == "string":
            return self._counted(string(schema, self._samples.text, path), path)
        if kind in ("integer", "number"):
            value = number(schema, self._samples.number, path, whole=kind == "integer")
            return self._counted(value, path)
        return True if kind == "boolean" else None

    def _first(
        self, options: Iterable[object], path: str, active: frozenset[str], depth: int
    ) -> Any:
        """Return an instance of the first option that has one."""
        error = NoInstanceError(path, "there is no alternative")
        for option in options:
            try:
                return self.build(option, path, active, depth + 1)
            except NoInstanceError as found:
                error = found
        raise error

    def _object(self, schema: Schema, path: str, active: frozenset[str], depth: int) -> Any:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, dict):
            raise SchemaError(path, "properties must be an object")
        if not isinstance(required, list) or not all(isinstance(each, str) for each in required):
            raise SchemaError(path, "required must be a list of names")
        others = schema.get("additionalProperties", True)
        most = count(schema, "maxProperties", MAX_VALUES, path)
        least = count(schema, "minProperties", 0, path)
        if least > MAX_VALUES:
            raise SchemaError(path, f"minProperties is over the limit of {MAX_VALUES}")
        result: dict[str, Any] = {}
        needed = dict.fromkeys(required)
        optional = [name for name in properties if name not in needed]
        for name in (*needed, *optional[: max(most - len(needed), 0)]):
            try:
                place = below(path, "properties", name)
                result[self._counted(name, path)] = self.build(
                    properties.get(name, others), place, active, depth + 1
                )
            except NoInstanceError:
                if name in needed:
                    raise
        extra = 0
        while len(result) < least:
            extra += 1
            if f"property{extra}" not in properties:
                result[self._counted(f"property{extra}", path)] = self.build(
                    others, below(path, "additionalProperties"), active, depth + 1
                )
        if len(result) > most:
            raise NoInstanceError(path, "maxProperties is below the number of required properties")
        return {
            name: result[name] for name in dict.fromkeys((*properties, *result)) if name in result
        }

    def _array(self, schema: Schema, path: str, active: frozenset[str], depth: int) -> Any:
        least = count(schema, "minItems", 0, path)
        if least > MAX_VALUES:
            raise SchemaError(
                path, f"minItems is {least}; the demo model makes {MAX_VALUES} values"
            )
        first = schema.get("prefixItems", [])
        if not isinstance(first, list):
            raise SchemaError(path, "prefixItems must be a list of schemas")
        most = count(schema, "maxItems", max(least, len(first), 1), path)
        if least > most:
            raise NoInstanceError(path, "minItems is above maxItems")
        result: list[Any] = []
        while len(result) < max(least, min(most, max(len(first), 1))):
            at = len(result)
            item = first[at] if at < len(first) else schema.get("items", True)
            try:
                value = self.build(item, below(path, "items"), active, depth + 1)
            except NoInstanceError:
                if at < least:
                    raise
                break
            result.append(value)
        if schema.get("uniqueItems") is True and len(result) > 1:
            return self._distinct(schema, result, least, path)
        return result

    def _distinct(self, schema: Schema, values: list[Any], least: int, path: str) -> Any:
        """Return different values in place of equal ones, from the enum of the items."""
        items = schema.get("items")
        listed = items.get("enum", []) if isinstance(items, dict) else []
        different = list({key(value): value for value in (*values, *listed)}.values())[:least]
        if len(different) < least:
            raise NoInstanceError(path, "the demo model has too few different items of this schema")
        return self._counted(different, path)

    def _counted(self, value: Any, path: str) -> Any:
        self._characters += len(json.dumps(value, ensure_ascii=False))
        if self._characters > MAX_CHARACTERS:
            raise SchemaError(path, f"an instance has more than {MAX_CHARACTERS} characters")
        return value


def _alternatives(schema: Schema, path: str) -> list[object]:
    """Return the schemas of which an instance must fit one; none if there is no choice."""
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            rest = {name: value for name, value in schema.items() if name != keyword}
            return [{"allOf": [rest, option]} for option in schemas(schema, keyword, path)]
    types = _types(schema, path) if not {"const", "enum"} & schema.keys() else []
    return [{**schema, "type": each} for each in types] if len(types) > 1 else []


def _listed(schema: Schema, path: str) -> Any:
    """Return the first value that `const` or `enum` allows."""
    listed = schema.get("enum", [schema.get("const")])
    if not isinstance(listed, list) or not listed:
        raise SchemaError(path, "enum must be a non-empty list")
    types = _types(schema, path) if "type" in schema else list(_TYPES)
    for value in listed:
        is_constant = "const" not in schema or same(value, schema["const"])
        is_typed = any(_is_a(value, each) for each in types)
        if is_constant and is_typed and is_within_bounds(value, schema, path):
            return value
    raise NoInstanceError(path, "no value of enum or const fits the other keywords")


def _types(schema: Schema, path: str) -> list[str]:
    """Return the types of a schema, or the one that its keywords mean."""
    given = schema.get("type")
    if given is None:
        meant = [name for name, words in _TYPES.items() if schema.keys() & set(words)]
        return meant[:1] or ["string"]
    types = given if isinstance(given, list) else [given]
    if not types or not all(isinstance(each, str) and each in _TYPES for each in types):
        raise SchemaError(path, f"type must be one or several of {', '.join(_TYPES)}")
    return sorted(dict.fromkeys(types), key="null".__eq__)


def _is_a(value: object, kind: str) -> bool:
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number if kind == "number" else type(value) is _PYTHON_TYPES[kind]
