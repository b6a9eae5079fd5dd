"""The terms of the conversation, free of gRPC, LangChain and HTTP."""

import enum
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import TypeAlias


class Role(enum.Enum):
    """Who speaks in a turn."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier turn of the conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the model picks its tokens; None or empty leaves it to the upstream."""

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    user: str = ""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A validated request, with the service's defaults filled in.

    `system` is the system prompt, or empty for none. `set_by_caller` names the fields of the
    contract's Params that are the caller's own choice, as in `params.temperature`; a model
    that the settings name is not.
    """

    content: str
    model: str
    system: str = ""
    history: tuple[Turn, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    set_by_caller: frozenset[str] = frozenset()


class FinishReason(enum.Enum):
    """Why the model stopped writing."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the upstream counted.

    Cached tokens are part of the input, reasoning tokens part of the output.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the answer's text, made of `tokens` upstream events."""

    text: str
    tokens: int = 1


@dataclass(frozen=True, slots=True)
class Completion:
    """The end of a whole answer. `usage` is None where the upstream reports none."""

    finish_reason: FinishReason
    usage: Usage | None
    model: str
    id: str


AnswerStream: TypeAlias = AsyncGenerator[Delta | Completion, None]
"""Deltas with text, then exactly one Completion. Closing it ends the upstream request."""
