"""What chat-completions upstreams need back of an answer with tool calls.

DeepSeek and others refuse the results of tools without the reasoning that led to the calls.
OpenRouter needs `reasoning_details`, some of which are signed or encrypted, and Gemini the
signatures in the `extra_content` of its calls.
"""

from typing import Any, Final

import msgspec

from tokenwire.core.conversation_state import MAX_CALL_STATE_BYTES, MAX_STATE_BYTES, StateCodec
from tokenwire.core.domain import ToolCall, Turn
from tokenwire.upstreams.openai.chunk import MessageDelta

REASONING: Final = "reasoning_content"
DETAILS: Final = "reasoning_details"
EXTRA_CONTENT: Final = "extra_content"
FIELDS: Final[dict[str, type]] = {REASONING: str, "reasoning": str, DETAILS: list}
"""The fields of a message that state may set, and their types."""

TEXT_KEYS: Final = frozenset({"text", "summary", "data"})
"""The keys of a detail whose pieces are joined; the latest value of others counts."""
SAME_KEYS: Final = ("type", "index", "id")
"""The keys whose values are the same in all pieces of a detail."""


class _Detail:
    """A detail that is being assembled. Its texts stay in pieces, of which it may have many."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._texts: dict[str, list[str]] = {}

    def continues_with(self, piece: dict[str, Any]) -> bool:
        return all(self._fields.get(key) == piece.get(key) for key in SAME_KEYS)

    def add(self, piece: dict[str, Any]) -> None:
        for key, value in piece.items():
            if key in TEXT_KEYS and isinstance(value, str):
                self._texts.setdefault(key, []).append(value)
            if value is not None or key not in self._fields:
                self._fields[key] = value

    def joined(self) -> dict[str, Any]:
        return self._fields | {key: "".join(pieces) for key, pieces in self._texts.items()}


class StateCollector:
    """Collects what the next request must repeat of one answer.

    Too much of it, over MAX_STATE_BYTES, is dropped as a whole: a part would be refused.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._key = REASONING
        self._details: list[_Detail] = []
        self._size = 0

    def add(self, delta: MessageDelta, reasoning: str) -> None:
        """Add the reasoning of a chunk."""
        self._size += len(reasoning) + len(delta.reasoning_details)
        if self._size > MAX_STATE_BYTES:
            self._texts, self._details = [], []
            return
        self._texts.append(reasoning)
        if delta.reasoning and not delta.reasoning_content:
            self._key = "reasoning"
        for piece in _details(delta.reasoning_details):
            if not self._details or not self._details[-1].continues_with(piece):
                self._details.append(_Detail())
            self._details[-1].add(piece)

    def fields(self, *, has_calls: bool) -> dict[str, Any]:
        """Return the fields of the message; none if it need not repeat anything.

        Args:
            has_calls: Whether the answer has tool calls. Without, no upstream needs the text of
                the reasoning.
        """
        if self._details:
            return {DETAILS: [detail.joined() for detail in self._details]}
        text = "".join(self._texts)
        return {self._key: text} if text and has_calls else {}


def _details(encoded: msgspec.Raw) -> list[dict[str, Any]]:
    try:
        value = msgspec.json.decode(encoded) if len(encoded) else None
    except (ValueError, RecursionError):
        return []
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def state_fields(codec: StateCodec, turn: Turn) -> dict[str, Any]:
    """Return the fields of the message of a turn that its state or its reasoning sets."""
    fields = codec.decode(turn.state)
    known = {
        name: value for name, value in fields.items() if isinstance(value, FIELDS.get(name, ()))
    }
    if not known and turn.reasoning:
        return {REASONING: turn.reasoning}
    return known


def call_state(codec: StateCodec, extra_content: object) -> bytes:
    """Return the state of a tool call from the provider's own field of it."""
    if not isinstance(extra_content, dict) or not extra_content:
        return b""
    return codec.encode({EXTRA_CONTENT: extra_content}, MAX_CALL_STATE_BYTES)


def call_state_fields(codec: StateCodec, call: ToolCall) -> dict[str, Any]:
    """Return the fields of a tool call that its state sets."""
    extra_content = codec.decode(call.state).get(EXTRA_CONTENT)
    return {EXTRA_CONTENT: extra_content} if isinstance(extra_content, dict) else {}
