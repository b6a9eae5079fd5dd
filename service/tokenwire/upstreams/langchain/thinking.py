"""Anthropic's signed reasoning, which its models need back after tool calls.

https://platform.claude.com/docs/en/build-with-claude/extended-thinking#preserving-thinking-blocks
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tokenwire.core.conversation_state import MAX_STATE_BYTES, StateCodec
from tokenwire.core.domain import ChatRequest, Role, Turn

BLOCKS: Final = "blocks"
KEYS: Final = {"thinking": ("thinking", "signature"), "redacted_thinking": ("data",)}
"""The keys of a block by its type; all values are strings."""


@dataclass(slots=True)
class _Block:
    """A block that is being assembled, with the pieces of its values."""

    type: str
    values: dict[str, list[str]] = field(default_factory=dict)

    def joined(self) -> dict[str, str]:
        texts = {name: "".join(pieces) for name, pieces in self.values.items()}
        return {"type": self.type, **texts}


class ThinkingBlocks:
    """Collects the blocks of one answer.

    Too much of them, over MAX_STATE_BYTES, is dropped as a whole: a part would be refused.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self._size = 0

    def begin(self, index: object, block: object) -> None:
        """Add the begin of a block; one of another type is ignored."""
        if isinstance(index, int) and isinstance(block, dict) and block.get("type") in KEYS:
            self._blocks[index] = _Block(block["type"])
            self.extend(index, block)

    def extend(self, index: object, delta: object) -> None:
        """Add a piece of a block."""
        block = self._blocks.get(index) if isinstance(index, int) else None
        if block is None or not isinstance(delta, dict):
            return
        for key in KEYS[block.type]:
            piece = delta.get(key)
            if isinstance(piece, str):
                block.values.setdefault(key, []).append(piece)
                self._size += len(piece.encode())
        if self._size > MAX_STATE_BYTES:
            self._blocks = {}

    def add(self, index: int, kind: str, values: dict[str, str]) -> None:
        """Add a piece of a block, which begins the block if it is the first."""
        if index not in self._blocks:
            self._blocks[index] = _Block(kind)
        self.extend(index, values)

    def encoded(self, codec: StateCodec) -> bytes:
        """Return the state; empty without blocks."""
        joined = (self._blocks[index].joined() for index in sorted(self._blocks))
        # Some models do not sign their reasoning, and do not need it back.
        blocks = [block for block in joined if block.keys() >= set(KEYS[block["type"]])]
        return codec.encode({BLOCKS: blocks}) if blocks else b""


def insert_blocks(request: ChatRequest, body: dict[str, Any], codec: StateCodec) -> None:
    """Insert the blocks in the states of a request's turns into its messages.

    Args:
        request: The request.
        body: The body that the package made of it, which is changed.
        codec: Decodes the states.
    """
    turns = [turn for turn in request.history if turn.role is Role.ASSISTANT]
    messages = [each for each in body["messages"] if each["role"] == "assistant"]
    if len(turns) != len(messages):
        # The package has merged messages, so that a block could get to another turn.
        return
    for turn, message in zip(turns, messages, strict=True):
        blocks = list(signed_blocks(turn, codec))
        if not blocks:
            continue
        content = message["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}] if content else []
        message["content"] = [*blocks, *content]


def signed_blocks(turn: Turn, codec: StateCodec) -> Iterator[dict[str, str]]:
    """Yield the blocks in the state of a turn. Callers can forge others."""
    found = codec.decode(turn.state).get(BLOCKS)
    for block in found if isinstance(found, list) else ():
        kind = block.get("type") if isinstance(block, dict) else None
        keys = KEYS.get(kind) if isinstance(kind, str) else None
        if keys and all(isinstance(block.get(key), str) for key in keys):
            yield {key: block[key] for key in ("type", *keys)}
