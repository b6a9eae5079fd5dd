"""Assembles the function calls of a response."""

from dataclasses import dataclass

from tokenwire.core.domain import ToolCall
from tokenwire.upstreams.openai.irregular_chunks import encoded_name
from tokenwire.upstreams.openai.responses.events import ResponsesEvent, json_text
from tokenwire.upstreams.openai.responses.output import OutputItem, string_of
from tokenwire.upstreams.tool_call_assembler import ToolCallAssembler, ToolCallPiece


@dataclass(slots=True)
class _Opened:
    """A call that has begun.

    Attributes:
        index: The index of its item, or None.
        id: The id of the call, or empty.
        name: The name of the function, or empty as long as it is unknown.
        length: The number of characters of its arguments so far.
        initial: Arguments that came with the beginning of the call.
    """

    index: int | None
    id: str
    name: str = ""
    length: int = 0
    initial: str = ""


class ResponseCalls:
    """Assembles the function calls of one response.

    The arguments of a call come up to four times: in deltas, in their end, in the item that is
    complete, and in the response. Each adds only what the earlier ones did not have.

    Args:
        in_pieces: Whether calls are returned in pieces; see `ToolCallAssembler`.
    """

    def __init__(self, *, in_pieces: bool = False) -> None:
        self._assembler = ToolCallAssembler(in_pieces=in_pieces)
        self._opened: list[_Opened] = []
        self._by_name: dict[str, _Opened] = {}

    def begin(self, item: OutputItem, index: int | None) -> None:
        """Add a call that begins.

        Raises:
            ServiceError: There are too many calls, or too many bytes.
        """
        opened = self._open(item, index)
        opened.initial = opened.initial or json_text(item.arguments)

    def add(self, event: ResponsesEvent) -> None:
        """Add a piece of the arguments, or all of them.

        Raises:
            ServiceError: There are too many calls, or too many bytes.
        """
        opened = self._find(event)
        if event.delta:
            opened.length += len(event.delta)
            self._piece(opened, event.delta)
        self._complete(opened, json_text(event.arguments))

    def complete(self, item: OutputItem, index: int | None) -> None:
        """Add a call that is complete.

        Raises:
            ServiceError: There are too many calls, or too many bytes.
        """
        self._complete(self._open(item, index), json_text(item.arguments))

    def take(self) -> tuple[ToolCall, ...]:
        """Return the pieces since the last time."""
        return self._assembler.take()

    def finish(self) -> list[ToolCall]:
        """Return the calls, or the pieces that remain.

        Raises:
            UpstreamToolCallInvalid: A call has no name, or its arguments are not a JSON object.
        """
        for opened in self._opened:
            if not opened.length:
                self._complete(opened, opened.initial)
        return self._assembler.finish()

    def _open(self, item: OutputItem, index: int | None) -> _Opened:
        """Return the call of an item, which is new if neither of its ids is known."""
        names = [name for name in (encoded_name(item.call_id), encoded_name(item.id)) if name]
        opened = next((self._by_name[name] for name in names if name in self._by_name), None)
        if opened is None and not names:
            opened = next((each for each in self._opened if each.index == index), None)
        if opened is None:
            opened = _Opened(index, names[0] if names else "")
            self._opened.append(opened)
        for name in names:
            self._by_name[name] = opened
        if not opened.name:
            opened.name = string_of(item.name)
            self._piece(opened, "", opened.name)
        return opened

    def _find(self, event: ResponsesEvent) -> _Opened:
        """Return the call of its id, of its index, or the latest one."""
        if event.item_id in self._by_name:
            return self._by_name[event.item_id or ""]
        same = [each for each in self._opened if each.index == event.output_index]
        found = same or self._opened
        if found:
            return found[-1]
        # The call itself may follow.
        opened = _Opened(event.output_index, event.item_id or "")
        self._opened.append(opened)
        if event.item_id:
            self._by_name[event.item_id] = opened
        self._piece(opened, "")
        return opened

    def _complete(self, opened: _Opened, arguments: str) -> None:
        missing = arguments[opened.length :]
        if missing:
            opened.length += len(missing)
            self._piece(opened, missing)

    def _piece(self, opened: _Opened, arguments: str, name: str = "") -> None:
        self._assembler.add(ToolCallPiece(opened.index, opened.id, name, arguments))
