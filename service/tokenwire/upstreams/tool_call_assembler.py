"""Assembles tool calls from the pieces that upstreams stream."""

import secrets
from dataclasses import dataclass, field
from typing import Final

from tokenwire.core.domain import ToolCall
from tokenwire.core.errors import UpstreamResponseTooLarge, UpstreamToolCallInvalid
from tokenwire.core.json_objects import decode_object

MAX_CALLS: Final = 128
MAX_BYTES: Final = 1 << 20
"""The most bytes of names and arguments in one answer."""
MAX_CHECKS: Final = 64
"""How often the arguments of one call are parsed to find out whether they are whole."""


@dataclass(frozen=True, slots=True)
class ToolCallPiece:
    """A piece of a tool call, as an upstream sends it.

    Attributes:
        index: The upstream's index of the call, or None.
        id: The id, or empty.
        name: The name or a part of it, or empty.
        arguments: A part of the arguments' JSON, or empty.
        state: What the upstream needs back with the call, or empty.
    """

    index: int | None = None
    id: str = ""
    name: str = ""
    arguments: str = ""
    state: bytes = b""


@dataclass(slots=True)
class _Call:
    """A call that is being assembled."""

    index: int | None
    id: str
    name: str = ""
    state: bytes = b""
    arguments: list[str] = field(default_factory=list)
    checks: int = 0
    whole: bool | None = None

    def add(self, piece: ToolCallPiece) -> None:
        self.state = piece.state or self.state
        if piece.name:
            self._add_name(piece.name)
        if piece.arguments and not self._repeats(piece.arguments):
            self.arguments.append(piece.arguments)
            self.whole = None

    def _add_name(self, name: str) -> None:
        if self.arguments:
            return
        # Some upstreams send the name so far, and some only what is new of it.
        self.name = name if name.startswith(self.name) else self.name + name

    def _repeats(self, arguments: str) -> bool:
        """Report whether a piece is the whole arguments once more."""
        if not self.is_whole():
            return False
        return arguments.strip() == "".join(self.arguments).strip()

    def is_whole(self) -> bool:
        """Report whether the arguments so far are a JSON object."""
        if self.whole is None:
            self.checks += 1
            self.whole = self.checks <= MAX_CHECKS and (
                decode_object("".join(self.arguments)) is not None
            )
        return self.whole


class ToolCallAssembler:
    """Assembles the tool calls of one answer.

    A new id opens a call, and so does a name once the arguments of the latest call are whole, or
    another name once they have begun. Every other piece continues the call with its id, with its
    index, or the latest one.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._bytes = 0

    def add(self, piece: ToolCallPiece) -> None:
        """Add a piece.

        Raises:
            UpstreamResponseTooLarge: There are too many bytes.
            UpstreamToolCallInvalid: There are too many calls, or a piece belongs to no call.
        """
        self._bytes += len(piece.name) + len(piece.arguments)
        if self._bytes > MAX_BYTES:
            raise UpstreamResponseTooLarge
        call = self._call_of(piece)
        if call is None:
            if len(self._calls) >= MAX_CALLS:
                raise UpstreamToolCallInvalid
            call = _Call(piece.index, piece.id)
            self._calls.append(call)
        call.add(piece)

    def _call_of(self, piece: ToolCallPiece) -> _Call | None:
        """Return the call that a piece continues, or None if it opens one."""
        if piece.id:
            known = next((call for call in self._calls if call.id == piece.id), None)
            return known or self._unnamed(piece)
        if not self._calls:
            return None
        call = self._by_index(piece.index)
        other_index = None not in (piece.index, call.index) and piece.index != call.index
        if piece.name and call.name and other_index:
            return None
        if piece.name and call.arguments and (call.is_whole() or piece.name != call.name):
            return None
        return call

    def _unnamed(self, piece: ToolCallPiece) -> _Call | None:
        """Return the latest call if it has no id yet and this piece completes it."""
        if not self._calls:
            return None
        call = self._calls[-1]
        same = call.index == piece.index and not call.id and not call.arguments
        if same and not call.name:
            call.id = piece.id
            return call
        return None

    def _by_index(self, index: int | None) -> _Call:
        if index is None:
            return self._calls[-1]
        matches = [call for call in self._calls if call.index == index]
        return matches[-1] if matches else self._calls[-1]

    def finish(self) -> list[ToolCall]:
        """Return the calls.

        Raises:
            UpstreamToolCallInvalid: A call has no name, or its arguments are not a JSON object.
        """
        ids = {call.id for call in self._calls}
        found = []
        for index, call in enumerate(self._calls):
            arguments = "".join(call.arguments).strip() or "{}"
            if not call.name or decode_object(arguments) is None:
                raise UpstreamToolCallInvalid
            found.append(ToolCall(call.id or _new_id(ids), call.name, arguments, index, call.state))
        return found


def _new_id(taken: set[str]) -> str:
    while (name := f"call_{secrets.token_hex(12)}") in taken:
        pass
    taken.add(name)
    return name
