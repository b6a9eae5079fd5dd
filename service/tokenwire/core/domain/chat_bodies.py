"""Requests and answers in the JSON of OpenAI's chat completions, with members of any name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from tokenwire.core.domain.answers import Completion, Delta

Members: TypeAlias = Mapping[str, msgspec.Raw]
"""The members of a JSON object by name, their values encoded."""


@dataclass(frozen=True, slots=True)
class ChatBody:
    """The body of a request for chat completions, as the caller wrote it.

    Attributes:
        members: The decoded members by name.
        untranslated: The paths of what the rest of the request does not express. Only an upstream
            that takes the body itself can honour it.
        set_by_caller: What of that the caller set; see `ChatRequest`.
        has_system: Whether the messages begin with a system prompt.
    """

    members: Mapping[str, Any]
    untranslated: tuple[str, ...] = ()
    set_by_caller: frozenset[str] = frozenset()
    has_system: bool = False


@dataclass(frozen=True, slots=True)
class ChunkMembers:
    """The members of a chunk that the service does not interpret.

    Attributes:
        chunk: Those of the chunk.
        choice: Those of its choice.
        delta: Those of the delta of the choice.
    """

    chunk: Members = field(default_factory=dict)
    choice: Members = field(default_factory=dict)
    delta: Members = field(default_factory=dict)


NO_MEMBERS = ChunkMembers()


@dataclass(frozen=True, slots=True)
class ChunkDelta(Delta):
    """A part of an answer to a ChatBody, of one chunk.

    Attributes:
        members: What else the chunk has, and the ones before it that had nothing else.
        is_refusal: Whether the text explains why the model does not comply.
    """

    members: ChunkMembers = NO_MEMBERS
    is_refusal: bool = False


@dataclass(frozen=True, slots=True)
class ChunkCompletion(Completion):
    """The end of an answer to a ChatBody.

    Attributes:
        members: What the chunks after the last ChunkDelta have.
    """

    members: ChunkMembers = NO_MEMBERS
