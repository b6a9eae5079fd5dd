"""The parts of an answer and its end."""

import enum
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TypeAlias

from tokenwire.core.domain.turns import ToolCall


class FinishReason(enum.Enum):
    """Why the model stopped generating."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as reported by the upstream.

    `input_tokens` includes tokens that were read from or written to a cache, and audio;
    `output_tokens` includes reasoning and audio.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_input_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0


class Stage(enum.Enum):
    """A stage of a request before the answer's text."""

    QUEUED = "queued"
    THINKING = "thinking"


@dataclass(frozen=True, slots=True)
class TopLogprob:
    """A token that the model could have chosen.

    Attributes:
        token: The token's text.
        logprob: The natural logarithm of its probability.
        raw: The token's bytes; empty if they are unknown.
    """

    token: str
    logprob: float
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of the text and how probable it was.

    Attributes:
        token: The token's text.
        logprob: The natural logarithm of its probability.
        raw: The token's bytes; empty if they are unknown.
        top: The most probable tokens in its place.
    """

    token: str
    logprob: float
    raw: bytes = b""
    top: tuple[TopLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """The next part of the answer, merged from `tokens` upstream events.

    Attributes:
        text: The text.
        tokens: The number of upstream events.
        reasoning: The model's reasoning, which came before the text.
        tool_calls: Tool calls, which came after the text; pieces of them if the request asks for
            pieces.
        logprobs: The log probabilities of the tokens of the text, if they were asked for.
        stage: The stage that begins before the other parts; None if none begins.
    """

    text: str
    tokens: int = 1
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """A source that an answer names.

    Attributes:
        url: The address of the source.
        title: The title of the source; may be empty.
        start: The first character of the text that the source supports.
        end: The character after it; 0 if the upstream does not report the text.
    """

    url: str
    title: str = ""
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """The end of a complete answer.

    Attributes:
        finish_reason: Why the model stopped.
        usage: The token counts; None if the upstream reports none.
        model: The model that answered, as the upstream names it; may be empty.
        id: The upstream's id of the answer; may be empty.
        citations: The sources that the answer names.
        refused: Whether the model refused to answer.
        state: What the upstream needs back in the next request; opaque.
    """

    finish_reason: FinishReason
    usage: Usage | None
    model: str
    id: str
    citations: tuple[Citation, ...] = ()
    refused: bool = False
    state: bytes = b""


AnswerStream: TypeAlias = AsyncGenerator[Delta | Completion, None]
"""Deltas with text, then exactly one Completion. Closing the stream ends the upstream request."""
