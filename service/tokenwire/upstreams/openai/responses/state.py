"""The reasoning items that a responses upstream needs back after tool calls.

The server stores nothing (`store: false`), so an item must hold its content: encrypted, as
OpenAI's, or plain, as that of servers with open models.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tokenwire.core.conversation_state import MAX_STATE_BYTES, StateCodec

ITEMS: Final = "items"
FIELDS: Final = ("type", "id", "summary", "content", "encrypted_content")
"""The fields of a reasoning item that a request may have."""
CONTENTS: Final = frozenset({"content", "encrypted_content"})
"""Those that hold the reasoning."""
REASONING: Final = "reasoning"


class ReasoningItems:
    """Collects the reasoning items of one answer.

    Too much of them, over MAX_STATE_BYTES, is dropped as a whole: a part would be refused.
    """

    def __init__(self) -> None:
        self._items: list[dict[str, Any]] = []
        self._size = 0

    def add(self, encoded: bytes) -> None:
        """Add the JSON of an item; one without content or that is known is ignored."""
        try:
            item = msgspec.json.decode(encoded)
        except (ValueError, RecursionError):
            return
        if not isinstance(item, dict):
            return
        kept = {name: item[name] for name in FIELDS if item.get(name)}
        if not kept.keys() & CONTENTS:
            return
        if any(each.get("id") == kept.get("id") for each in self._items):
            return
        self._size += len(msgspec.json.encode(kept))
        if self._size > MAX_STATE_BYTES:
            self._items = []
            return
        self._items.append(kept)

    def encoded(self, codec: StateCodec) -> bytes:
        """Return the state; empty without items."""
        return codec.encode({ITEMS: self._items}) if self._items else b""


def reasoning_items(codec: StateCodec, state: bytes) -> Iterator[dict[str, Any]]:
    """Yield the reasoning items in the state of a turn. Callers can forge other items."""
    items = codec.decode(state).get(ITEMS)
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and item.get("type") == REASONING:
            yield {"summary": [], **{name: item[name] for name in FIELDS if name in item}}
