"""Limits the number of fields and the text of a serialized request before it is parsed.

A field takes as little as two bytes on the wire and up to a kilobyte as an object, so a request
within its size limit could exhaust the process's memory. Text takes longer to process than the
inline data of parts, so it has a limit of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn, TypeAlias

from google.protobuf.descriptor import Descriptor

from tokenwire.api.chatgpt.formats import MAX_CHOICES
from tokenwire.api.chatgpt.labels import MAX_LABELS
from tokenwire.api.chatgpt.parts import MAX_PARTS
from tokenwire.api.chatgpt.sampling import MAX_LOGIT_BIASES, MAX_STOPS
from tokenwire.api.chatgpt.tools import MAX_TOOL_CALLS, MAX_TOOLS
from tokenwire.core.errors import InvalidParameter, MalformedRequest
from tokenwire.v1 import chatgpt_pb2 as pb

SMALLEST_FIELD_BYTES: Final = 2
FIELDS_PER_TURN: Final = 4
OTHER_FIELDS: Final = 4_096
"""Allowed in addition to the fields of turns. The contract has far fewer; the rest is for fields of
later versions."""

VARINT, DELIMITED, GROUP, END_GROUP = 0, 2, 3, 4
FIXED_BYTES: Final = {1: 8, 5: 4}
TYPE_BITS: Final = 3
TYPE_MASK: Final = (1 << TYPE_BITS) - 1
CONTINUATION_BIT: Final = 0x80
MAX_VARINT_BYTES: Final = 10


@dataclass(frozen=True, slots=True)
class _Field:
    """A field that contains a message, is repeated or is inline data."""

    path: str
    repeated: bool
    inner: Mapping[int, _Field] | None
    inline: bool


_Fields: TypeAlias = Mapping[int, _Field]
"""The fields of a message that contain a message, are repeated or are inline data, by their wire
tag."""


def _fields(message: Descriptor, path: str = "", inline: Collection[str] = ()) -> dict[int, _Field]:
    return {
        each.number << TYPE_BITS | DELIMITED: _Field(
            path + each.name,
            each.is_repeated,
            _fields(each.message_type, f"{path}{each.name}.", inline)
            if each.message_type
            else None,
            each.full_name in inline,
        )
        for each in message.fields
        if each.is_repeated or each.message_type or each.full_name in inline
    }


INLINE: Final = ("openai.Part.inline",)
MESSAGE: Final = _fields(pb.Message.DESCRIPTOR, inline=INLINE)


class FieldCounts:
    """The limits on the number of fields in a request of one type.

    Args:
        message: The type.
        lists: The maximum number of items of each repeated field, by its path.
        whole: The name of the request in errors.
        inline: The full names of the fields with inline data.
        max_fields: The maximum number of fields besides a few thousand; None for one for each item
            of the lists.
        max_text_bytes: The maximum bytes of a request without its inline data.

    Attributes:
        lists: See above.
    """

    def __init__(  # noqa: PLR0913 - each limit by its own name
        self,
        message: Descriptor,
        lists: Mapping[str, int] | None = None,
        *,
        whole: str = "request",
        inline: Collection[str] = (),
        max_fields: int | None = None,
        max_text_bytes: int = sys.maxsize,
    ) -> None:
        self.lists = dict(lists or {})
        is_message = message is pb.Message.DESCRIPTOR
        self._fields = MESSAGE if is_message else _fields(message, inline=inline)
        self._whole = whole
        most = sum(self.lists.values()) if max_fields is None else max_fields
        self._max_fields = most + OTHER_FIELDS
        # A request of this size cannot exceed a limit.
        self._unchecked_bytes = min(
            SMALLEST_FIELD_BYTES * min([OTHER_FIELDS, *self.lists.values()]), max_text_bytes
        )
        self._max_text_bytes = max_text_bytes

    def check(self, request: bytes) -> None:
        """Check a serialized request.

        Raises:
            InvalidParameter: It has too many fields or too much text. The error names the
                repeated field, or the whole request if a total is exceeded.
            MalformedRequest: The bytes are not a serialized message.
        """
        if len(request) <= self._unchecked_bytes:
            return
        counter = _FieldCounter(request, self.lists, self._max_fields, self._whole)
        try:
            counter.message(0, len(request), self._fields, {})
        except IndexError:
            raise MalformedRequest from None
        if len(request) - counter.inline_bytes > self._max_text_bytes:
            description = f"must be at most {self._max_text_bytes} bytes besides inline data"
            raise InvalidParameter(self._whole, description)


class FieldLimits(FieldCounts):
    """The limits on the fields of an openai.Message.

    Args:
        max_turns: The maximum number of items in `history`.
        max_text_bytes: The maximum bytes of a request without the inline data of its parts.
    """

    def __init__(self, max_turns: int, max_text_bytes: int) -> None:
        lists = {
            "history": max_turns,
            "history.tool_calls": MAX_TOOL_CALLS,
            "format.choices.values": MAX_CHOICES,
            "params.stop": MAX_STOPS,
            "params.logit_bias": MAX_LOGIT_BIASES,
            "parts": MAX_PARTS,
            "history.parts": MAX_PARTS,
            "tools": MAX_TOOLS,
            "labels": MAX_LABELS,
        }
        super().__init__(
            pb.Message.DESCRIPTOR,
            lists,
            whole="message",
            max_fields=FIELDS_PER_TURN * max_turns,
            max_text_bytes=max_text_bytes,
        )
        # A request of this size cannot exceed the limits that depend on the arguments.
        self._unchecked_bytes = min(SMALLEST_FIELD_BYTES * max_turns, max_text_bytes)


@dataclass(slots=True)
class _FieldCounter:
    data: bytes
    limits: Mapping[str, int]
    max_fields: int
    whole: str
    count: int = field(default=0, init=False)
    inline_bytes: int = field(default=0, init=False)

    def message(self, position: int, end: int, fields: _Fields, lengths: dict[str, int]) -> None:
        """Count the fields from `position` to `end`, and in `lengths` the items of each list."""
        groups = 0
        while position < end:
            self.count += 1
            if self.count > self.max_fields:
                self._reject()
            tag, position = self._varint(position)
            wire_type = tag & TYPE_MASK
            if wire_type == DELIMITED:
                size, content = self._varint(position)
                position = content + size
                if position > end:
                    raise MalformedRequest
                if not groups and tag in fields:
                    self._field(fields[tag], content, position, lengths)
            elif wire_type == GROUP:
                groups += 1
            elif wire_type == END_GROUP and groups:
                groups -= 1
            else:
                position = self._skip(wire_type, position)
        if position > end or groups:
            raise MalformedRequest

    def _reject(self) -> NoReturn:
        description = f"must hold at most {self.max_fields} fields, those of its lists included"
        raise InvalidParameter(self.whole, description)

    def _field(self, field: _Field, position: int, end: int, lengths: dict[str, int]) -> None:
        if field.inline:
            self.inline_bytes += end - position
        if field.repeated:
            length = lengths[field.path] = lengths.get(field.path, 0) + 1
            limit = self.limits[field.path]
            if length > limit:
                raise InvalidParameter(field.path, f"must hold at most {limit} items")
            # Each item has lists of its own. The parts of a message that is not repeated are
            # merged, so they share theirs.
            lengths = {}
        if field.inner is not None:
            self.message(position, end, field.inner, lengths)

    def _skip(self, wire_type: int, position: int) -> int:
        """Return the position after a value that has no length prefix."""
        if wire_type == VARINT:
            return self._varint(position)[1]
        if wire_type not in FIXED_BYTES:
            raise MalformedRequest
        return position + FIXED_BYTES[wire_type]

    def _varint(self, position: int) -> tuple[int, int]:
        """Return the value of the varint at `position`, and the position after it."""
        value = self.data[position]
        if value < CONTINUATION_BIT:
            return value, position + 1
        value = shift = 0
        for byte in self.data[position : position + MAX_VARINT_BYTES]:
            position += 1
            value |= (byte & ~CONTINUATION_BIT) << shift
            if byte < CONTINUATION_BIT:
                return value, position
            shift += 7
        raise MalformedRequest
