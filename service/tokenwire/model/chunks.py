"""From the JSON of chat-completion chunks to deltas and the completion."""

from typing import Any, Final, TypeAlias

import jiter

from tokenwire.domain import Completion, Delta, FinishReason, Usage
from tokenwire.errors import (
    ContentFiltered,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTruncated,
)
from tokenwire.model.sse import Event

Chunk: TypeAlias = dict[str, Any]
"""A chat-completion chunk, decoded."""

MAX_COUNT: Final = 2**53
"""Token counts above this are not counts: JSON numbers end being exact here."""

FINISH_REASONS: Final = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
}


def decode(event: Event) -> Chunk:
    """Return the chunk that an event carries.

    Raises:
        UpstreamError: The event reports a failure.
        UpstreamProtocolError: The data is not a JSON object in strict UTF-8.
    """
    if event.name == b"error":
        raise UpstreamError
    try:
        chunk = jiter.from_json(event.data, cache_mode="keys")
    except ValueError:
        raise UpstreamProtocolError from None
    if not isinstance(chunk, dict):
        raise UpstreamProtocolError
    if chunk.get("error"):
        raise UpstreamError
    return chunk


class Answer:
    """What the chunks of one answer have said so far."""

    def __init__(self) -> None:
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._model = ""
        self._id = ""

    @property
    def finished(self) -> bool:
        """Whether the finish reason has come: the answer's text is whole."""
        return self._finish_reason is not None

    def add(self, chunk: Chunk) -> Delta | None:
        """Take in a chunk and return its text, if it has any.

        Raises:
            ContentFiltered: The upstream's content filter ended the answer.
            UpstreamProtocolError: The chunk has an unexpected shape.
        """
        self._model = _text(chunk, "model") or self._model
        self._id = _text(chunk, "id") or self._id
        self._usage = _usage(chunk.get("usage")) or self._usage
        choice = _first_choice(chunk)
        if choice is None:
            return None
        reason = _text(choice, "finish_reason")
        if reason == "content_filter":
            raise ContentFiltered
        self._finish_reason = reason or self._finish_reason
        delta = choice.get("delta")
        if delta is None:
            return None
        if not isinstance(delta, dict):
            raise UpstreamProtocolError
        # A refusal is an answer too: the model says why it does not comply.
        text = _text(delta, "content") or _text(delta, "refusal")
        return Delta(text) if text else None

    def completion(self) -> Completion:
        """Return the end of the answer.

        Raises:
            UpstreamTruncated: No finish reason has come.
        """
        if self._finish_reason is None:
            raise UpstreamTruncated
        reason = FINISH_REASONS.get(self._finish_reason, FinishReason.OTHER)
        return Completion(reason, self._usage, self._model, self._id)


def _first_choice(chunk: dict[str, Any]) -> dict[str, Any] | None:
    choices = chunk.get("choices")
    if not choices:
        return None
    if not isinstance(choices, list) or not isinstance(choices[0], dict):
        raise UpstreamProtocolError
    return choices[0]


def _text(of: dict[str, Any], key: str) -> str:
    value = of.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UpstreamProtocolError
    return value


def _usage(value: object) -> Usage | None:
    if not isinstance(value, dict):
        return None
    input_tokens = _count(value, "prompt_tokens")
    output_tokens = _count(value, "completion_tokens")
    if input_tokens is None or output_tokens is None:
        return None
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=_count(value.get("prompt_tokens_details"), "cached_tokens") or 0,
        reasoning_tokens=_count(value.get("completion_tokens_details"), "reasoning_tokens") or 0,
    )


def _count(of: object, key: str) -> int | None:
    value = of.get(key) if isinstance(of, dict) else None
    return value if isinstance(value, int) and 0 <= value <= MAX_COUNT else None
