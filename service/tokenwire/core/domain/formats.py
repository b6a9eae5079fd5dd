"""The forms of an answer's text."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """JSON that fits a schema.

    Attributes:
        name: The schema's name, for the model.
        schema: The JSON Schema: the JSON of an object.
        strict: Whether the upstream must enforce it exactly; None for its default.
    """

    name: str
    schema: str
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class JsonObject:
    """A JSON object."""


@dataclass(frozen=True, slots=True)
class Regex:
    """A text that matches a regular expression."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Grammar:
    """A text of a context-free grammar, in the upstream's notation."""

    grammar: str


@dataclass(frozen=True, slots=True)
class Choices:
    """One of several texts."""

    values: tuple[str, ...]


Format: TypeAlias = JsonSchema | JsonObject | Regex | Grammar | Choices
"""The form of an answer's text."""
