"""Decodes chat-completion chunks, and keeps the members that the service does not interpret."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tokenwire.core.domain import (
    ChunkCompletion,
    ChunkDelta,
    ChunkMembers,
    Completion,
    Delta,
    Members,
)
from tokenwire.core.errors import ServiceError
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.http.event_runs import Run, one_by_one
from tokenwire.upstreams.openai.chunk import MessageDelta
from tokenwire.upstreams.openai.chunks import ChunkReader
from tokenwire.upstreams.openai.deltas import add_each
from tokenwire.upstreams.openai.reader import AnswerReader

OF_CHUNK: Final = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "error", "x_groq"}
)
OF_CHOICE: Final = frozenset({"index", "delta", "message", "finish_reason", "usage"})
OF_DELTA: Final = frozenset({"role", "content", "refusal", "tool_calls", "function_call"})
"""The members that the service interprets, and writes itself into its own chunks."""
TOOL_CALLS: Final = "tool_calls"
FUNCTION: Final = "function"
OF_CALL: Final = frozenset({"index", "id", "type"})
EMPTY: Final = (b"null", b'""', b"{}", b"[]")
NOTHING: Final[Members] = {}

_decode_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_choices: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


class MemberReader(ChunkReader):
    """Accumulates the chunks of one answer; see `ChunkReader`.

    What the service interprets is decoded as in every answer. Tool calls of kinds other than
    functions are among the members that are kept.

    Attributes:
        members: The members of the latest chunk that are not interpreted.
        is_refusal: Whether the latest chunk's text is a refusal.
    """

    finds_runs = False
    members = ChunkMembers()
    is_refusal = False
    _waiting = ChunkMembers()
    """Members of chunks with nothing else, which go out with the next chunk that has more."""
    _has_begun = False
    _calls_are_kept = False

    def add(self, event: Event) -> str:
        """Add an event and return its text; see `reader.AnswerReader`."""
        self._calls_are_kept = False
        text = super().add(event)
        self.members, self.is_refusal = self._read(event.data)
        # What an upstream sends besides text, such as audio, is progress as well.
        if self.members.delta and not (text or self.reasoning):
            self.others += 1
        return text

    def _add_tool_calls(self, delta: MessageDelta) -> None:
        self._calls_are_kept = _has_other_calls(delta.tool_calls)
        if not self._calls_are_kept:
            super()._add_tool_calls(delta)

    def _read(self, data: bytes) -> tuple[ChunkMembers, bool]:
        try:
            chunk = _decode_object(data)
            choices = _decode_choices(chunk.get("choices") or b"[]")
            choice = choices[0] if choices else {}
            delta = _object(choice.get("delta")) or _object(choice.get("message"))
        except (ValueError, RecursionError):
            # No chunk, or one of unusual types, which has been decoded as far as possible.
            return ChunkMembers(), False
        known = OF_DELTA - {TOOL_CALLS} if self._calls_are_kept else OF_DELTA
        members = ChunkMembers(
            _without(chunk, OF_CHUNK), _without(choice, OF_CHOICE), _without(delta, known)
        )
        is_refusal = _is_set(delta.get("refusal")) and not _is_set(delta.get("content"))
        return members, is_refusal

    def delta(self, text: str) -> ChunkDelta | None:
        """Return the part of the answer in the latest chunk; None if it has none.

        Args:
            text: The text that `add` has returned.
        """
        members = _joined(self._waiting, self.members)
        is_part = bool(text or self.reasoning or self.calls or self.logprobs or self.members.delta)
        annotates = self._has_begun and not self.complete and bool(self.members.choice)
        if not is_part and not annotates:
            self._waiting = members
            return None
        self._has_begun = self._has_begun or is_part
        self._waiting = ChunkMembers()
        return ChunkDelta(
            text,
            int(is_part),
            self.reasoning,
            self.calls,
            self.logprobs,
            members=members,
            is_refusal=self.is_refusal,
        )

    def end(self) -> tuple[list[Delta], Completion]:
        """Return the deltas that remain and the completion; see `reader.AnswerReader`."""
        deltas, completion = super().end()
        return deltas, ChunkCompletion(
            completion.finish_reason,
            completion.usage,
            completion.model,
            completion.id,
            completion.citations,
            completion.refused,
            completion.state,
            self._waiting,
        )


def read_chunks(
    reader: AnswerReader, batch: list[Event | Run], *, merge: bool, show_reasoning: bool
) -> tuple[list[Delta], ServiceError | None]:
    """Decode and clear `batch`; return a delta for each chunk that has a part of the answer.

    It takes the place of `read_deltas`. Chunks are not merged, and have their reasoning.

    Returns:
        The deltas, and the failure that ended them, or None.
    """
    del merge, show_reasoning
    assert isinstance(reader, MemberReader)  # noqa: S101 - for the type checker
    deltas: list[Delta] = []

    def add(text: str) -> None:
        if delta := reader.delta(text):
            deltas.append(delta)

    failure = add_each(reader, one_by_one(batch), add)
    batch.clear()
    return deltas, failure


def _object(encoded: msgspec.Raw | None) -> dict[str, msgspec.Raw]:
    if encoded is None or bytes(encoded) == b"null":
        return {}
    return _decode_object(encoded)


def _is_set(encoded: msgspec.Raw | None) -> bool:
    return encoded is not None and bytes(encoded) not in EMPTY


def _without(members: Members, known: frozenset[str]) -> Members:
    """Return the members that have a value and another name than those that are known."""
    if members.keys() <= known:
        return NOTHING
    return {
        # A copy: the decoded value refers to the whole event.
        name: value.copy()
        for name, value in members.items()
        if name not in known and _is_set(value)
    }


def _joined(first: ChunkMembers, then: ChunkMembers) -> ChunkMembers:
    if not (first.chunk or first.choice):
        return then
    return ChunkMembers({**first.chunk, **then.chunk}, {**first.choice, **then.choice}, then.delta)


def _has_other_calls(encoded: msgspec.Raw) -> bool:
    """Report whether tool calls are of another kind than functions."""
    if not len(encoded):
        return False
    try:
        calls: Any = msgspec.json.decode(encoded)
    except (ValueError, RecursionError):
        return False
    return isinstance(calls, list) and any(map(_is_other_call, calls))


def _is_other_call(call: object) -> bool:
    if not isinstance(call, Mapping) or FUNCTION in call:
        return False
    kind = call.get("type")
    if isinstance(kind, str) and kind:
        return kind != FUNCTION
    # A further piece, which has the content of its kind alone.
    return any(isinstance(value, Mapping) for name, value in call.items() if name not in OF_CALL)
