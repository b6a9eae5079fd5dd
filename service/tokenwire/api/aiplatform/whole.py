"""Writes an answer as one message, the JSON of a `chat.completion`."""

from contextlib import aclosing
from typing import Any

import msgspec

from tokenwire.api.aiplatform.chunks import created, written
from tokenwire.api.aiplatform.deltas import (
    FINISH_REASONS,
    DeltaWriter,
    choice_members,
    members_of,
)
from tokenwire.api.aiplatform.encoding import encode
from tokenwire.api.aiplatform.merging import merge
from tokenwire.api.aiplatform.usage import usage_object
from tokenwire.api.chatgpt.service import MAX_ANSWER_BYTES
from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import AnswerStream, Completion, Delta, ToolCall
from tokenwire.core.errors import UpstreamResponseTooLarge


class WholeWriter:
    """Collects the parts of one answer.

    Args:
        call: The record of the call, whose `model` is set.
    """

    def __init__(self, call: CallRecord) -> None:
        self._call = call
        self._deltas = DeltaWriter()
        self._texts: dict[str, list[str]] = {}
        self._calls: list[ToolCall] = []
        self._message: dict[str, Any] = {}
        self._choice: dict[str, Any] = {}
        self._chunk: dict[str, Any] = {}
        self._size = 0

    def add(self, event: Delta | Completion) -> None:
        """Add a part of the answer, or its end.

        Raises:
            UpstreamResponseTooLarge: The answer has more than MAX_ANSWER_BYTES.
        """
        members = members_of(event)
        self._size += sum(
            len(value)
            for each in (members.chunk, members.choice, members.delta)
            for value in each.values()
        )
        delta: dict[str, Any]
        choice: dict[str, Any]
        if isinstance(event, Completion):
            delta, choice = self._deltas.last(event), dict(members.choice)
        else:
            delta, choice = self._deltas.delta(event), choice_members(event)
        for name in ("content", "refusal", "reasoning_content"):
            if isinstance(text := delta.get(name), str):
                self._texts.setdefault(name, []).append(delta.pop(name))
                self._size += len(text.encode())
        if isinstance(calls := delta.get("tool_calls"), list):
            self._size += sum(len(each["function"]["arguments"]) for each in calls)
        if self._size > MAX_ANSWER_BYTES:
            raise UpstreamResponseTooLarge
        merge(self._message, _decoded(delta))
        merge(self._choice, _decoded(choice))
        self._chunk |= members.chunk

    def finish(self, completion: Completion) -> bytes:
        """Return the message for a complete answer, whose end was added."""
        texts = {name: "".join(pieces) for name, pieces in self._texts.items()}
        message = {"role": "assistant", "content": None} | self._message
        for name, text in texts.items():
            kept = message.get(name)
            message[name] = text + kept if isinstance(kept, str) else text
        for call in message.get("tool_calls", ()):
            call.pop("index", None)
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": FINISH_REASONS[completion.finish_reason],
        }
        whole = {
            "id": self._call.request_id,
            "object": "chat.completion",
            "created": created(self._call),
            "model": self._call.model,
            "choices": [choice | self._choice],
        }
        if completion.usage:
            whole["usage"] = usage_object(completion.usage)
        return encode(whole | self._chunk)


async def as_a_whole(answer: AnswerStream, call: CallRecord) -> AnswerStream:
    """Yield the end of an answer, with the whole answer as its message.

    Args:
        answer: The answer, which this closes.
        call: The record of the call, which gets the parts of the answer.

    Raises:
        UpstreamResponseTooLarge: The answer has more than MAX_ANSWER_BYTES.
    """
    writer = WholeWriter(call)
    async with aclosing(answer) as events:
        async for event in events:
            writer.add(event)
            if isinstance(event, Completion):
                yield written(event, writer.finish(event))
                return
            call.add_delta(event)


def _decoded(members: dict[str, Any]) -> dict[str, Any]:
    """Return members with their encoded values decoded."""
    return {
        name: msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
        for name, value in members.items()
    }
