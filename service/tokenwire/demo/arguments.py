"""The values of a step: from the words of a plan to the fields of its dataclass.

Each field of a step is a value that may be given by its place or by its name
(`usage 5 cached=3`; underscores are written as hyphens). A field without a default must
be given. A field called `headers` takes every name that is not a field.
"""

import math
import re
from dataclasses import MISSING, Field, fields
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from tokenwire.demo.step import Seconds, Size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenwire.demo.step import Step

_SIZE = re.compile(r"(\d+)(B|kB|MB|GB)?")
_FACTORS = {"": 1, "B": 1, "kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class ArgumentError(ValueError):
    """A value of a step is missing, unknown or not allowed."""


def build(cls: "type[Step]", words: "Sequence[tuple[str | None, object]]") -> "Step":
    """Make a step from its words, each a name (None where given by place) and a value.

    Raises:
        ArgumentError: with the value that is wrong.
    """
    hints = get_type_hints(cls)
    own = {one.name: one for one in fields(cls) if one.name != "headers"}  # type: ignore[arg-type]
    takes_headers = "headers" in hints
    values: dict[str, Any] = {}
    headers: list[tuple[str, str]] = []
    places = iter(own)
    for given, value in words:
        name = next(places, None) if given is None else given.replace("-", "_")
        if name is None:
            raise ArgumentError(f"one value too many: {value!r}")
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
    return cls(**values, **({"headers": tuple(headers)} if takes_headers else {}))


def syntax(cls: "type[Step]") -> str:
    """Show how a step is written, for example `wait SECONDS`."""
    hints = get_type_hints(cls)
    words = [_word(one, hints[one.name]) for one in fields(cls)]  # type: ignore[arg-type]
    return " ".join([cls.keyword, *words])


def _word(one: "Field[Any]", hint: Any) -> str:
    if one.name == "headers":
        return "[HEADER=VALUE ...]"
    hint = _required(hint)
    if get_origin(hint) is Literal:
        meta = "|".join(get_args(hint))
    else:
        meta = {Seconds: "SECONDS", Size: "SIZE", int: "COUNT", object: "JSON"}.get(hint, "TEXT")
    shown = _shown(one.name)
    if one.default is MISSING:
        return meta if shown.upper() == meta or get_origin(hint) is Literal else shown.upper()
    return f"[{shown}={meta}]"


def _shown(name: str) -> str:
    return name.replace("_", "-")


def _required(hint: Any) -> Any:
    """Return T for `T | None`."""
    if get_origin(hint) is UnionType:
        return next(one for one in get_args(hint) if one is not NoneType)
    return hint


def _convert(hint: Any, value: object, name: str) -> object:
    hint = _required(hint)
    if hint is object:
        return value
    if not isinstance(value, str):
        raise ArgumentError(f"{name} must be text, not JSON")
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ArgumentError(f"{name} must be one of {', '.join(get_args(hint))}, not {value!r}")
        return value
    if hint is Seconds:
        return _seconds(value, name)
    if hint is Size:
        found = _SIZE.fullmatch(value)
        if not found:
            raise ArgumentError(f"{name} must be a size such as 300, 64kB or 10MB, not {value!r}")
        return int(found[1]) * _FACTORS[found[2] or ""]
    if hint is int:
        if not value.isdecimal():
            raise ArgumentError(f"{name} must be a whole number of at least 0, not {value!r}")
        return int(value)
    return value


def _seconds(value: str, name: str) -> float:
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
