"""Writes an answer as chunks, each the JSON of a `chat.completion.chunk`."""

import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from tokenwire.api.aiplatform.deltas import (
    FINISH_REASONS,
    DeltaWriter,
    choice_members,
    members_of,
)
from tokenwire.api.aiplatform.encoding import encode
from tokenwire.api.aiplatform.usage import usage_object
from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import AnswerStream, Completion, Delta, Usage


@dataclass(frozen=True, slots=True)
class WrittenDelta(Delta):
    """A part of an answer with its chunk.

    Attributes:
        chunk: The JSON of the chunk.
    """

    chunk: bytes = b""


@dataclass(frozen=True, slots=True)
class WrittenCompletion(Completion):
    """The end of an answer with its messages.

    Attributes:
        finish: The JSON of the message before the last one; empty if there is none.
        last: The JSON of the last message.
    """

    finish: bytes = b""
    last: bytes = b""


def written(completion: Completion, last: bytes, finish: bytes = b"") -> WrittenCompletion:
    """Return the end of an answer with its messages."""
    return WrittenCompletion(
        completion.finish_reason,
        completion.usage,
        completion.model,
        completion.id,
        completion.citations,
        completion.refused,
        completion.state,
        finish,
        last,
    )


def created(call: CallRecord) -> int:
    """Return the Unix time at which a call began."""
    return int(time.time() - time.monotonic() + call.started)


class ChunkWriter:
    """Writes the chunks of one answer.

    Args:
        call: The record of the call, whose `model` is set.
    """

    def __init__(self, call: CallRecord) -> None:
        self._head = {
            "id": call.request_id,
            "object": "chat.completion.chunk",
            "created": created(call),
            "model": call.model,
        }
        self._deltas = DeltaWriter()
        self._role = {"role": "assistant"}

    def delta(self, event: Delta) -> bytes:
        """Return the chunk for a part of the answer. The first one has the role."""
        delta = self._role | self._deltas.delta(event)
        self._role = {}
        return self._chunk(delta, choice_members(event), members_of(event).chunk, None)

    def finish(self, completion: Completion) -> bytes:
        """Return the chunk with the finish reason."""
        members = members_of(completion)
        delta = self._role | self._deltas.last(completion)
        reason = FINISH_REASONS[completion.finish_reason]
        return self._chunk(delta, members.choice, members.chunk, reason)

    def usage(self, usage: Usage) -> bytes:
        """Return the chunk with the usage, which has no choice."""
        return encode({**self._head, "choices": [], "usage": usage_object(usage)})

    def _chunk(
        self,
        delta: Mapping[str, Any],
        of_choice: Mapping[str, Any],
        of_chunk: Mapping[str, Any],
        reason: str | None,
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, **of_choice}
        return encode({**self._head, "choices": [choice], **of_chunk})


async def in_chunks(answer: AnswerStream, call: CallRecord, *, with_usage: bool) -> AnswerStream:
    """Yield the events of an answer with their chunks.

    Args:
        answer: The answer, which this closes.
        call: The record of the call.
        with_usage: Whether the last chunk has the usage, if the upstream reports it.
    """
    writer = ChunkWriter(call)
    async with aclosing(answer) as events:
        async for event in events:
            if isinstance(event, Completion):
                finish = writer.finish(event)
                if with_usage and event.usage:
                    yield written(event, writer.usage(event.usage), finish)
                else:
                    yield written(event, finish)
                return
            yield WrittenDelta(
                event.text,
                event.tokens,
                event.reasoning,
                event.tool_calls,
                event.logprobs,
                event.stage,
                writer.delta(event),
            )
