"""Counts what a request's bytes hold, before any object is made of it.

A field takes two bytes on the wire and up to a kilobyte as an object, so that a
request within its size limit could stop the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn, TypeAlias

from google.protobuf.descriptor import Descriptor

from tokenwire.api.chatgpt.wire import MAX_STOPS
from tokenwire.core.errors import InvalidParameter, MalformedRequest
from tokenwire.v1 import chatgpt_pb2 as pb

SMALLEST_FIELD_BYTES: Final = 2
FIELDS_PER_TURN: Final = 4
OTHER_FIELDS: Final = 4_096
"""Beside those of the turns: far more than the contract has, for those of later contracts."""

VARINT, DELIMITED, GROUP, END_GROUP = 0, 2, 3, 4
FIXED_BYTES: Final = {1: 8, 5: 4}
TYPE_BITS: Final = 3
TYPE_MASK: Final = (1 << TYPE_BITS) - 1
MORE: Final = 0x80
LONGEST_VARINT_BYTES: Final = 10


@dataclass(frozen=True, slots=True)
class _Known:
    """A field that holds a message, or that may occur more than once."""

    path: str
    repeated: bool
    inner: Mapping[int, _Known] | None


_Kinds: TypeAlias = Mapping[int, _Known]
"""What is known of a message's fields, by their tag."""


def _kinds(message: Descriptor, path: str = "") -> dict[int, _Known]:
    return {
        each.number << TYPE_BITS | DELIMITED: _Known(
            path + each.name,
            each.is_repeated,
            _kinds(each.message_type, f"{path}{each.name}.") if each.message_type else None,
        )
        for each in message.fields
        if each.is_repeated or each.message_type
    }


MESSAGE: Final = _kinds(pb.Message.DESCRIPTOR)


class FieldLimits:
    """How many of each field a request may have.

    Args:
        max_turns: The longest `history`.

    Attributes:
        lists: How long each list may be, by its path.
    """

    def __init__(self, max_turns: int) -> None:
        self.lists = {"history": max_turns, "params.stop": MAX_STOPS}
        self._fields = FIELDS_PER_TURN * max_turns + OTHER_FIELDS
        self._harmless_bytes = SMALLEST_FIELD_BYTES * max_turns

    def check(self, request: bytes) -> None:
        """Count the fields of a serialized openai.Message.

        Raises:
            InvalidParameter: There are too many; the error names the list, or
                `message` where it is no list of this contract.
            MalformedRequest: The bytes are not a message.
        """
        if len(request) <= self._harmless_bytes:
            return
        try:
            _Count(request, self.lists, self._fields).message(0, len(request), MESSAGE, {})
        except IndexError:
            raise MalformedRequest from None


@dataclass(slots=True)
class _Count:
    data: bytes
    limits: Mapping[str, int]
    most_fields: int
    fields: int = field(default=0, init=False)

    def message(self, position: int, end: int, kinds: _Kinds, found: dict[str, int]) -> None:
        """Walk over the fields from `position` to `end`; `found` are those of each list."""
        groups = 0
        while position < end:
            self.fields += 1
            if self.fields > self.most_fields:
                self._refuse()
            tag, position = self._number(position)
            kind = tag & TYPE_MASK
            if kind == DELIMITED:
                size, content = self._number(position)
                position = content + size
                if position > end:
                    raise MalformedRequest
                if not groups and tag in kinds:
                    self._known(kinds[tag], content, position, found)
            elif kind == GROUP:
                groups += 1
            elif kind == END_GROUP and groups:
                groups -= 1
            else:
                position = self._after(kind, position)
        if position > end or groups:
            raise MalformedRequest

    def _refuse(self) -> NoReturn:
        description = f"must hold at most {self.most_fields} fields, those of turns included"
        raise InvalidParameter("message", description)

    def _known(self, known: _Known, position: int, end: int, found: dict[str, int]) -> None:
        if known.repeated:
            count = found[known.path] = found.get(known.path, 0) + 1
            limit = self.limits[known.path]
            if count > limit:
                raise InvalidParameter(known.path, f"must hold at most {limit} items")
            # Each item has lists of its own; a message given in parts has one of each.
            found = {}
        if known.inner is not None:
            self.message(position, end, known.inner, found)

    def _after(self, kind: int, position: int) -> int:
        """Return the position after a value of a type without a length."""
        if kind == VARINT:
            return self._number(position)[1]
        if kind not in FIXED_BYTES:
            raise MalformedRequest
        return position + FIXED_BYTES[kind]

    def _number(self, position: int) -> tuple[int, int]:
        """Return the number at `position`, and the position after it."""
        number = self.data[position]
        if number < MORE:
            return number, position + 1
        number = shift = 0
        for byte in self.data[position : position + LONGEST_VARINT_BYTES]:
            position += 1
            number |= (byte & ~MORE) << shift
            if byte < MORE:
                return number, position
            shift += 7
        raise MalformedRequest
