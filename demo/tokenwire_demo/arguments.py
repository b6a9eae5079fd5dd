"""Converts the arguments of a step in a plan to the fields of its dataclass.

Each field is a positional or named argument, as in `usage 5 cached=3`. Underscores in names are
written as hyphens. A field without a default is required. A field named `headers` receives every
named argument that is not a field.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from tokenwire_demo.step import Seconds, Size, Step

_SIZE = re.compile(r"(\d+)(B|kB|MB|GB)?")
_META = {Seconds: "SECONDS", Size: "SIZE", float: "NUMBER", int: "COUNT"}
_FACTORS = {"": 1, "B": 1, "kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class ArgumentError(ValueError):
    """An argument of a step is missing, unknown or invalid."""


def build(cls: type[Step], words: Sequence[tuple[str | None, object]]) -> Step:
    """Return a step for its arguments.

    Args:
        cls: The class of the step.
        words: The arguments: the name, or None for a positional argument, and the value.

    Raises:
        ArgumentError: An argument is missing, unknown or invalid.
    """
    hints = _hints(cls)
    own = {one.name: one for one in fields(cls) if one.name != "headers"}  # type: ignore[arg-type]
    takes_headers = "headers" in hints
    values: dict[str, Any] = {}
    headers: list[tuple[str, str]] = []
    places = iter(own)
    for given, value in words:
        name = next(places, None) if given is None else given.replace("-", "_")
        if name is None:
            raise ArgumentError(f"too many values: {value!r}")
        if name in own:
            if name in values:
                raise ArgumentError(f"{_shown(name)} is given twice")
            values[name] = _convert(hints[name], value, _shown(name))
        elif takes_headers and given is not None:
            headers.append(_header(given, value))
        else:
            raise ArgumentError(f"unknown value {given}={value}")
    for name, one in own.items():
        if name not in values and one.default is MISSING:
            raise ArgumentError(f"{_shown(name)} is missing")
    try:
        return cls(**values, **({"headers": tuple(headers)} if takes_headers else {}))
    except ValueError as error:
        raise ArgumentError(str(error)) from None


def syntax(cls: type[Step]) -> str:
    """Return the syntax of a step with its defaults, such as `comments [every=0.01]`."""
    hints = _hints(cls)
    words = [_word(one, hints[one.name]) for one in fields(cls)]  # type: ignore[arg-type]
    return " ".join([cls.keyword, *words])


def _word(one: Field[Any], hint: Any) -> str:
    if one.name == "headers":
        return "[HEADER=VALUE ...]"
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    name = _shown(one.name)
    if one.default is MISSING:
        return "|".join(choices) or name.upper()
    if choices:
        others = [one.default, *(choice for choice in choices if choice != one.default)]
        return f"[{name}={'|'.join(others)}]"
    if one.default in (None, ""):
        return f"[{name}={_META.get(hint, 'TEXT')}]"
    shown = json.dumps(one.default) if " " in str(one.default) else str(one.default)
    return f"[{name}={_short(one.default) if hint == Size else shown}]"


def _short(size: int) -> str:
    """Return a size in the largest unit that divides it."""
    unit = max((unit for unit in _FACTORS if size % _FACTORS[unit] == 0), key=_FACTORS.__getitem__)
    return f"{size // _FACTORS[unit]}{unit}"


def _hints(cls: type[Step]) -> dict[str, Any]:
    """Return the type of each argument; T for `T | None`."""
    hints = get_type_hints(cls, include_extras=True)
    return {name: _required(hint) for name, hint in hints.items()}


def _required(hint: Any) -> Any:
    if get_origin(hint) in (UnionType, Union):
        return next(one for one in get_args(hint) if one is not NoneType)
    return hint


def _shown(name: str) -> str:
    return name.replace("_", "-")


def _convert(hint: Any, value: object, name: str) -> object:
    if hint is object:
        return value
    if not isinstance(value, str):
        raise ArgumentError(f"{name} must be text, not JSON")
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ArgumentError(f"{name} must be one of {', '.join(get_args(hint))}, not {value!r}")
        return value
    if hint in (Seconds, float):
        return _number(value, name)
    if hint == Size:
        found = _SIZE.fullmatch(value)
        if not found:
            raise ArgumentError(f"{name} must be a size such as 300, 64kB or 10MB, not {value!r}")
        return int(found[1]) * _FACTORS[found[2] or ""]
    if hint is int:
        if not value.isdecimal():
            raise ArgumentError(f"{name} must be a whole number of at least 0, not {value!r}")
        return int(value)
    return value


def _number(value: str, name: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise ArgumentError(f"{name} must be a number of at least 0, not {value!r}")
    return number


def _header(name: str, value: object) -> tuple[str, str]:
    if not _HEADER.fullmatch(name):
        raise ArgumentError(f"{name!r} is not a header name")
    if not isinstance(value, str) or not value.isprintable():
        raise ArgumentError(f"header {name} must be text without control characters")
    return name.lower(), value
