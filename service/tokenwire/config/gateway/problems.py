"""Words the problems of the gateway file: FILE:LINE, the key, its value, and what is allowed."""

import difflib
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic_core import ErrorDetails

from tokenwire.config.gateway.callers import CallerKeySection, CallerSection
from tokenwire.config.gateway.checks import Problem
from tokenwire.config.gateway.issuers import IssuerSection, TokenSection
from tokenwire.config.gateway.model import (
    GatewayFile,
    ModelSection,
    PriceSection,
    RouteSection,
    UpstreamSection,
)
from tokenwire.config.gateway.section import Section
from tokenwire.config.gateway.yaml_tree import Path, Tree
from tokenwire.config.problems import shown

MAX_PROBLEMS: Final = 20
"""The most problems that are told at once."""
SECRET_SECTIONS: Final = ("keys", "headers", "store")
"""The keys below which somebody may have written a secret, which no message may repeat."""
KEY_OF_MAP: Final = "[key]"
"""What pydantic adds to the place of a problem with a key of a map."""
MESSAGES: Final = {
    "missing": "is missing",
    "string_type": "must be text; quote it",
    "dict_type": "must be a map",
    "model_type": "must be a map",
    "list_type": "must be a list",
}
"""What is allowed, by pydantic's types of errors."""


def problem_of(details: ErrorDetails) -> Problem:
    """Return the problem that pydantic found."""
    kind = details["type"]
    place: Path = tuple(part for part in details["loc"] if part != KEY_OF_MAP)
    value: Any = details["input"]
    if kind == "extra_forbidden":
        return place, None, _unknown_key(place)
    if kind in ("too_short", "too_long"):
        limits = details.get("ctx", {})
        limit = limits.get("max_length") or limits.get("min_length")
        bound = "most" if kind == "too_long" else "least"
        return place, None, f"must have at {bound} {limit} entries"
    if any(part in SECRET_SECTIONS for part in place):
        value = None
    message = details["msg"]
    if message[1:2].islower():
        message = message[0].lower() + message[1:]
    return place, value, MESSAGES.get(kind, message.replace("input should", "must"))


def _unknown_key(place: Path) -> str:
    """Return the message about an unknown key, with those that are allowed in its place."""
    match place[:-1]:
        case ():
            section: type[Section] = GatewayFile
        case ("upstreams", _):
            section = UpstreamSection
        case ("models", _):
            section = ModelSection
        case ("models", _, "price"):
            section = PriceSection
        case ("issuers", _):
            section = IssuerSection
        case ("callers", _):
            section = CallerSection
        case ("callers", _, "keys", *_):
            section = CallerKeySection
        case ("callers", _, "tokens", *_):
            section = TokenSection
        case _:
            section = RouteSection
    found = difflib.get_close_matches(str(place[-1]), section.model_fields, 1)
    hint = f"did you mean {found[0]}? " if found else ""
    return f"unknown key; {hint}allowed here: {', '.join(section.model_fields)}"


def described(path: FilePath, tree: Tree, problems: list[Problem]) -> list[str]:
    """Return a line for each problem of a file, in the order of their lines."""
    lines = sorted(
        (tree.line_of(place), _text(place, value, description))
        for place, value, description in problems
    )
    texts = list(dict.fromkeys(f"{path}:{line}: {text}" for line, text in lines))
    more = len(texts) - MAX_PROBLEMS
    return texts[:MAX_PROBLEMS] + ([f"{path}: and {more} more"] if more > 0 else [])


def _text(place: Path, value: object, description: str) -> str:
    name = _name(place)
    if value is not None and not isinstance(value, (dict, list)):
        name += f"={shown(value)}"
    return f"{name}: {description}" if name else description


def _name(place: Path) -> str:
    """Return the name of a place: keys joined by dots, and indices in brackets."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + shown(part)
    return text
