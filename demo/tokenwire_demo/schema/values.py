"""The strings and numbers of an instance."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from tokenwire_demo.schema.errors import NoInstanceError, SchemaError
from tokenwire_demo.schema.merge import Schema

FORMATS: Final[Mapping[str, str]] = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "P1D",
    "email": "simulator@example.com",
    "idn-email": "simulator@example.com",
    "hostname": "example.com",
    "idn-hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/simulated",
    "uri-reference": "https://example.com/simulated",
    "iri": "https://example.com/simulated",
    "iri-reference": "https://example.com/simulated",
    "uri-template": "https://example.com/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "json-pointer": "/simulated",
    "relative-json-pointer": "0",
    "regex": "simulated",
}
"""A string of each format."""
_MAX_LENGTH: Final = 10_000
_STRUCTURE: Final = frozenset(
    (
        *("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
        *("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    )
)


def count(schema: Schema, keyword: str, default: int, path: str) -> int:
    """Return a keyword's number of characters, items or properties.

    Raises:
        SchemaError: It is not a whole number of at least 0.
    """
    value = schema.get(keyword, default)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SchemaError(path, f"{keyword} must be a whole number of at least 0")
    return value


def string(schema: Schema, sample: str, path: str) -> str:
    """Return a string of the format and the length that a schema asks for.

    Raises:
        SchemaError: A length is malformed or over a limit.
        NoInstanceError: The lengths contradict each other or the format.
    """
    least = count(schema, "minLength", 0, path)
    most = count(schema, "maxLength", max(least, _MAX_LENGTH), path)
    if least > _MAX_LENGTH:
        raise SchemaError(path, f"minLength is {least}; the demo model writes {_MAX_LENGTH}")
    name = schema.get("format")
    text = FORMATS.get(name) if isinstance(name, str) else None
    if text is None:
        text = sample[:most] + "." * (least - len(sample[:most]))
    if not least <= len(text) <= most:
        raise NoInstanceError(
            path, f"no string of the format has from {least} to {most} characters"
        )
    return text


def number(schema: Schema, sample: float, path: str, *, whole: bool) -> int | float:
    """Return a number within a schema's bounds: the sample, or the one nearest to a bound.

    Raises:
        SchemaError: A bound is malformed.
        NoInstanceError: No number is within the bounds.
    """
    step = _fraction(schema, "multipleOf", path)
    if step is not None and step <= 0:
        raise SchemaError(path, "multipleOf must be above 0")
    if whole:
        # The numbers that are whole and multiples of a/b are the multiples of a.
        step = Fraction(1 if step is None else step.numerator)
    lowest, above = _bound(schema, "minimum", "exclusiveMinimum", path, larger=True)
    highest, below = _bound(schema, "maximum", "exclusiveMaximum", path, larger=False)
    candidates = [_on_step(Fraction(str(sample)), step)]
    if lowest is not None:
        candidates.append(_next(lowest, step, 1, exclusive=above, other=highest))
    if highest is not None:
        candidates.append(_next(highest, step, -1, exclusive=below, other=lowest))
    for each in candidates:
        value = int(each) if each.denominator == 1 else float(each)
        exact = Fraction(str(value))
        if (lowest is None or exact > lowest or (exact == lowest and not above)) and (
            highest is None or exact < highest or (exact == highest and not below)
        ):
            return value
    raise NoInstanceError(path, "no number is within the bounds")


def is_within_bounds(value: object, schema: Schema, path: str) -> bool:
    """Return whether a listed value fits the other keywords of its schema.

    An array or an object does only if there are none for its parts, which are not examined.

    Raises:
        SchemaError: A bound is malformed.
    """
    if isinstance(value, str):
        least = count(schema, "minLength", 0, path)
        return least <= len(value) <= count(schema, "maxLength", len(value), path)
    if isinstance(value, list | dict):
        return not _STRUCTURE & schema.keys()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    try:
        return number(schema, value, path, whole=False) == value
    except NoInstanceError:
        return False


def _on_step(value: Fraction, step: Fraction | None) -> Fraction:
    return value if step is None else math.floor(value / step) * step


def _next(
    bound: Fraction,
    step: Fraction | None,
    sign: int,
    *,
    exclusive: bool,
    other: Fraction | None,
) -> Fraction:
    """Return the number nearest to a bound on its inner side."""
    if step is None:
        if not exclusive:
            return bound
        return bound + sign if other is None else (bound + other) / 2
    steps = sign * math.ceil(sign * bound / step)
    if exclusive and steps * step == bound:
        steps += sign
    return steps * step


def _bound(
    schema: Schema, inclusive: str, exclusive: str, path: str, *, larger: bool
) -> tuple[Fraction | None, bool]:
    """Return the stronger of two bounds, and whether it is exclusive."""
    one, other = (_fraction(schema, name, path) for name in (inclusive, exclusive))
    if one is None or other is None:
        return (other, True) if one is None else (one, False)
    stronger = max(one, other) if larger else min(one, other)
    return stronger, stronger == other


def _fraction(schema: Schema, keyword: str, path: str) -> Fraction | None:
    value: Any = schema.get(keyword)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise SchemaError(path, f"{keyword} must be a number")
    return Fraction(str(value))
