"""Reads the output items of a responses stream, each of which may arrive in several ways.

A text arrives in deltas, then whole with the end of its part, of its item and of the response. A
server that sends no deltas must not lose its text, and one that sends them must not repeat it.
"""

from typing import Any, Final, TypeAlias

import msgspec

from tokenwire.core.domain import ToolCall
from tokenwire.core.errors import UpstreamProtocolError
from tokenwire.upstreams.openai.citations import CitationReader
from tokenwire.upstreams.openai.responses.events import TextEvent
from tokenwire.upstreams.openai.responses.state import REASONING, ReasoningItems
from tokenwire.upstreams.tool_call_assembler import ToolCallAssembler, ToolCallPiece

MAX_POSITIONS: Final = 10_000
"""The most positions of text parts in one answer."""

_Position: TypeAlias = tuple[int | str, int]
"""The index or the id of an item, and the index of a part in it."""


class OutputReader:
    """Accumulates the output of one answer.

    Attributes:
        refused: Whether the model refused to answer.
        progressed: Whether the latest item is progress of the model.
        reasoning: The reasoning items.
    """

    def __init__(self) -> None:
        self.refused = False
        self.progressed = False
        self.reasoning = ReasoningItems()
        self._assembler = ToolCallAssembler()
        self._streamed: set[_Position] = set()

    def add_text(self, piece: TextEvent) -> str:
        """Record the position of a piece of text, and return the text."""
        if piece.delta:
            self._record(_positions(piece.item_id, piece.output_index, piece.content_index))
        return piece.delta

    def missing_text(self, position: dict[str, Any], text: object) -> str:
        """Return the whole text of a part if no piece of it has arrived.

        Args:
            position: Has `item_id`, `output_index` and `content_index`, or some of them.
            text: The text.
        """
        if not isinstance(text, str):
            raise UpstreamProtocolError
        names = ("item_id", "output_index", "content_index")
        positions = _positions(*(position.get(name) for name in names))
        if not positions.isdisjoint(self._streamed) or not text:
            return ""
        self._record(positions)
        return text

    def _record(self, positions: set[_Position]) -> None:
        self._streamed |= positions
        if len(self._streamed) > MAX_POSITIONS:
            raise UpstreamProtocolError

    def add_arguments(self, index: object, arguments: object) -> None:
        """Add a piece of the arguments of a tool call."""
        if not isinstance(arguments, str):
            arguments = "" if arguments is None else msgspec.json.encode(arguments).decode()
        self._assembler.add(ToolCallPiece(_index(index), arguments=arguments))

    def add_item(self, item: object, index: object, citations: CitationReader) -> str:
        """Add an item, which may be known in part, and return the text that only it has."""
        self.progressed = False
        if not isinstance(item, dict):
            raise UpstreamProtocolError
        match item.get("type"):
            case "message":
                return self._message(item, index, citations)
            case "function_call":
                self.progressed = True
                self._add_call(item, index)
            case kind if kind == REASONING:
                self.reasoning.add(item)
        return ""

    def _message(self, item: dict[str, Any], index: object, citations: CitationReader) -> str:
        content = item.get("content") or []
        if not isinstance(content, list):
            raise UpstreamProtocolError
        texts = []
        for position, part in enumerate(content):
            if not isinstance(part, dict):
                raise UpstreamProtocolError
            if part.get("type") == "refusal":
                self.refused = True
            text = part.get("refusal") if part.get("type") == "refusal" else part.get("text")
            where = {
                "item_id": item.get("id"),
                "output_index": index,
                "content_index": position,
            }
            texts.append(self.missing_text(where, "" if text is None else text))
            if isinstance(part.get("annotations"), list):
                citations.add(part["annotations"])
        return "".join(texts)

    def _add_call(self, item: dict[str, Any], index: object) -> None:
        arguments = item.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        name, id_ = item.get("name"), item.get("call_id") or item.get("id")
        self._assembler.add(
            ToolCallPiece(
                _index(index),
                id_ if isinstance(id_, str) else "",
                name if isinstance(name, str) else "",
                arguments or "",
            )
        )

    def tool_calls(self) -> list[ToolCall]:
        """Return the tool calls.

        Raises:
            UpstreamToolCallInvalid: A call is invalid.
        """
        return self._assembler.finish()


def _positions(item_id: object, output_index: object, content_index: object) -> set[_Position]:
    """Return the position of a part by the index and by the id of its item."""
    part = _index(content_index)
    found: set[_Position] = {(_index(output_index), part)}
    if isinstance(item_id, str) and item_id:
        found.add((item_id, part))
    return found


def _index(value: object) -> int:
    return value if isinstance(value, int) else 0
