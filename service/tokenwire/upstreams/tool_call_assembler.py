"""Assembles tool calls from the pieces that upstreams stream."""

import secrets
from dataclasses import dataclass, field, replace
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

    position: int
    index: int | None
    id: str
    name: str = ""
    state: bytes = b""
    arguments: list[str] = field(default_factory=list)
    checks: int = 0
    whole: bool | None = None
    taken: int = 0
    """The number of its pieces of arguments that were taken."""
    opened: bool = False
    """Whether its id and its name were taken."""

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

    def take_arguments(self) -> str:
        """Return the arguments since the last time."""
        new = self.arguments[self.taken :] if self.name else []
        self.taken += len(new)
        return "".join(new)

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

    Args:
        in_pieces: Whether `take` returns pieces while calls are assembled, and `finish` only what
            remains.
    """

    def __init__(self, *, in_pieces: bool = False) -> None:
        self._in_pieces = in_pieces
        self._calls: list[_Call] = []
        self._bytes = 0
        self._untaken: dict[int, _Call] = {}
        """The calls with pieces that are not taken, by position."""

    def __len__(self) -> int:
        """Return the number of calls so far."""
        return len(self._calls)

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
            call = _Call(len(self._calls), piece.index, piece.id)
            self._calls.append(call)
        call.add(piece)
        if self._in_pieces:
            self._untaken[call.position] = call

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

    def take(self) -> tuple[ToolCall, ...]:
        """Return the pieces since the last time; empty unless calls are returned in pieces.

        The first piece of a call has its id and its name. It waits for the first of the arguments,
        or for the next call, because the name may still grow.
        """
        found = []
        latest = len(self._calls) - 1
        for call in tuple(self._untaken.values()):
            index, arguments = call.position, call.take_arguments()
            if call.opened:
                if arguments:
                    found.append(ToolCall("", "", arguments, index))
            elif call.name and (arguments or index < latest):
                call.id = call.id or _new_id({each.id for each in self._calls})
                call.opened = True
                found.append(ToolCall(call.id, call.name, arguments, index))
            else:
                continue
            del self._untaken[index]
        return tuple(found)

    def finish(self) -> list[ToolCall]:
        """Return the calls, or the pieces that remain.

        Raises:
            UpstreamToolCallInvalid: A call has no name, or its arguments are not a JSON object.
        """
        ids = {call.id for call in self._calls}
        found = []
        for index, call in enumerate(self._calls):
            arguments = "".join(call.arguments).strip() or "{}"
            if not call.name or decode_object(arguments) is None:
                raise UpstreamToolCallInvalid
            call.id = call.id or _new_id(ids)
            found.append(ToolCall(call.id, call.name, arguments, index, call.state))
        if not self._in_pieces:
            return found
        pieces = zip(self._calls, found, strict=True)
        return [piece for call, whole in pieces if (piece := _rest(call, whole))]


def _rest(call: _Call, whole: ToolCall) -> ToolCall | None:
    """Return the piece that remains of a call, or None."""
    is_empty = not "".join(call.arguments).strip()
    arguments = whole.arguments if is_empty else call.take_arguments()
    if not call.opened:
        return replace(whole, arguments=arguments)
    if arguments or call.state:
        return ToolCall("", "", arguments, whole.index, call.state)
    return None


def _new_id(taken: set[str]) -> str:
    while (name := f"call_{secrets.token_hex(12)}") in taken:
        pass
    taken.add(name)
    return name
