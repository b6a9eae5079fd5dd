"""The framing of AWS's event streams: binary messages with headers and checksums.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html describes a message:
the length of the message, the length of its headers and the checksum of both, 4 bytes each, then
the headers, the payload and the checksum of all that, 4 bytes. Its headers say what the payload is.
"""

import struct
from binascii import crc32
from typing import Any, Final

import msgspec
from botocore.eventstream import EventStreamBuffer

from tokenwire.core.errors import (
    ServiceError,
    UpstreamEventTooLarge,
    UpstreamProtocolError,
    UpstreamTruncated,
)
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.langchain.framing import MAX_EVENT_BYTES, decode_event
from tokenwire.upstreams.openai.rejection import error_in_answer, rejection

PRELUDE: Final = struct.Struct(">II")
"""The length of the message, and that of its headers; their checksum follows."""
PRELUDE_BYTES: Final = 12
MIN_BYTES: Final = 16
"""The length of a message without headers and payload."""
INVALID_REQUEST: Final = "validationException"
CONTENT: Final = "contentBlock"
"""The beginning of the names of events with a part of the answer."""


class AwsEventStream:
    """Messages of AWS's event stream. It buffers at most one message.

    An exception in the stream ends it. Before the answer has begun, an invalid request is rejected
    as it would be by the status of the response; every other exception is the upstream's.
    """

    content_type = "application/x-ndjson"
    ended = False
    """No message ends the body: what ends an answer is in an event."""

    def __init__(self) -> None:
        self._failure: ServiceError | None = None
        self._pending = bytearray()
        self._has_begun = False

    @property
    def failure(self) -> ServiceError | None:
        """Why reading has stopped; see `Framing`."""
        return self._failure

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes; see `Framing`."""
        if self._failure:
            return []
        self._pending += data
        events: list[Event] = []
        start = 0
        try:
            while (end := start + self._length(start)) > start and end <= len(self._pending):
                events.append(self._event(bytes(self._pending[start:end])))
                start = end
        except ServiceError as error:
            self._failure = error
            self._pending.clear()
        del self._pending[:start]
        return events

    def end(self) -> list[Event]:
        """Return nothing: every message has its length; see `Framing`."""
        if self._pending:
            raise UpstreamTruncated
        return []

    def decode(self, event: Event) -> dict[str, Any] | None:
        """Return the object in an event, in an object with the event's name; see `Framing`."""
        value = decode_event(event)
        return None if value is None else {event.name.decode(): value}

    def encode(self, event: dict[str, Any]) -> bytes:
        """Return one line; see `Framing`."""
        return msgspec.json.encode(event) + b"\n"

    def _length(self, start: int) -> int:
        """Return the length of the message that begins at `start`, or 0 if it is unknown.

        Raises:
            UpstreamProtocolError: No message begins there.
            UpstreamEventTooLarge: The message is too large.
        """
        prelude = bytes(self._pending[start : start + PRELUDE_BYTES])
        if len(prelude) < PRELUDE_BYTES:
            return 0
        checked = prelude[: PRELUDE.size]
        length, headers = PRELUDE.unpack(checked)
        if crc32(checked) != int.from_bytes(prelude[PRELUDE.size :]):
            raise UpstreamProtocolError
        if length < MIN_BYTES + headers:
            raise UpstreamProtocolError
        if length > MAX_EVENT_BYTES:
            raise UpstreamEventTooLarge
        return int(length)

    def _event(self, frame: bytes) -> Event:
        """Return the event in a message.

        Raises:
            UpstreamProtocolError: The message is damaged.
            ServiceError: The message reports an exception.
        """
        buffer = EventStreamBuffer()
        buffer.add_data(frame)
        try:
            message = next(buffer)
        except Exception:  # noqa: BLE001 - damaged headers raise exceptions of any type
            raise UpstreamProtocolError from None
        headers = message.headers
        if headers.get(":message-type") != "event":
            raise self._failure_of(headers, bytes(message.payload))
        name = headers.get(":event-type")
        if not isinstance(name, str):
            raise UpstreamProtocolError
        self._has_begun = self._has_begun or name.startswith(CONTENT)
        return Event(name.encode(), bytes(message.payload))

    def _failure_of(self, headers: dict[str, Any], payload: bytes) -> ServiceError:
        """Return the failure for a message that is no event."""
        kind = headers.get(":exception-type") or headers.get(":error-code")
        if not isinstance(kind, str):
            return UpstreamProtocolError()
        if kind == INVALID_REQUEST and not self._has_begun:
            return rejection(400, {}, payload)
        return error_in_answer(msgspec.json.encode({"code": kind}))
