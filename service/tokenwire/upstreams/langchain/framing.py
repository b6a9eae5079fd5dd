"""Splits the body of a response into JSON objects, and encodes them for a provider's package.

The packages' own readers have no limits of size, split lines at characters that JSON allows, and
raise exceptions of many types. They receive one object per line, encoded by this module.
"""

from typing import Any, Final, Protocol

import msgspec

from tokenwire.core.errors import (
    ServiceError,
    UpstreamEventTooLarge,
    UpstreamProtocolError,
    UpstreamTruncated,
)
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.http.sse import EventReader
from tokenwire.upstreams.openai.error_body import decode_json
from tokenwire.upstreams.openai.rejection import error_in_answer, is_error

MAX_EVENT_BYTES: Final = 1 << 20
LINE_SEPARATORS: Final = {"\u0085": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""Characters that Python's `splitlines` takes for the end of a line, in JSON's notation."""


class Framing(Protocol):
    """Splits the body of one response.

    Attributes:
        content_type: The media type of what `encode` returns.
    """

    content_type: str

    @property
    def failure(self) -> ServiceError | None:
        """Why reading has stopped, or None."""
        ...

    @property
    def ended(self) -> bool:
        """Whether what ends the body has arrived; the rest is ignored."""
        ...

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes. The caller must check `failure` afterwards."""
        ...

    def end(self) -> list[Event]:
        """Return the event that the end of the body completes, if any.

        Raises:
            UpstreamTruncated: The body ends inside an object.
            UpstreamError: The rest of the body is an error object.
        """
        ...

    def decode(self, event: Event) -> dict[str, Any] | None:
        """Return the object in an event, or None if its data is blank.

        Raises:
            ServiceError: The event reports an error, or its data is not a JSON object.
        """
        ...

    def encode(self, event: dict[str, Any]) -> bytes:
        """Return an object in the form that the package reads."""
        ...


def decode_event(event: Event) -> dict[str, Any] | None:
    """Return the object in an event, or None if its data is blank.

    Raises:
        ServiceError: The event reports an error.
        UpstreamProtocolError: The data is not a JSON object in valid UTF-8.
    """
    data = event.data
    if event.name == b"error":
        raise error_in_answer(data)
    if not data.strip():
        return None
    try:
        # Validates UTF-8 also outside of strings.
        data.decode()
        value = msgspec.json.decode(data)
    except (ValueError, RecursionError):
        raise UpstreamProtocolError from None
    if is_error(value):
        raise error_in_answer(data)
    if not isinstance(value, dict):
        raise UpstreamProtocolError
    return value


def _encoded(event: dict[str, Any]) -> bytes:
    text = msgspec.json.encode(event).decode()
    for character, notation in LINE_SEPARATORS.items():
        if character in text:
            text = text.replace(character, notation)
    return text.encode()


class ServerSentEvents:
    """The standard's event stream; an object's `type` is the name of its event."""

    content_type = "text/event-stream"

    def __init__(self) -> None:
        self._reader = EventReader(MAX_EVENT_BYTES, last=b"[DONE]")

    @property
    def failure(self) -> ServiceError | None:
        """Why reading has stopped; see `Framing`."""
        return self._reader.failure

    @property
    def ended(self) -> bool:
        """Whether `[DONE]` has arrived, which only some providers send; see `Framing`."""
        return self._reader.ended

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes; see `Framing`."""
        return self._reader.feed(data)

    def end(self) -> list[Event]:
        """Return the event that the end completes; see `Framing`."""
        pending = self._reader.pending
        if is_error(decode_json(pending)):
            raise error_in_answer(pending)
        events = self._reader.end()
        for event in events:
            _require_whole(event.data)
        return events

    def decode(self, event: Event) -> dict[str, Any] | None:
        """Return the object in an event; see `Framing`."""
        return decode_event(event)

    def encode(self, event: dict[str, Any]) -> bytes:
        """Return an event with a name and one line of data; see `Framing`."""
        name = str(event.get("type", "")).encode("ascii", "ignore")
        return b"event: %b\ndata: %b\n\n" % (name.split(b"\n")[0], _encoded(event))


class UnnamedEvents(ServerSentEvents):
    """The standard's event stream, for packages that do not expect names of events."""

    def encode(self, event: dict[str, Any]) -> bytes:
        """Return an event with one line of data; see `Framing`."""
        return b"data: %b\n\n" % _encoded(event)


class JsonLines:
    """One object per line. It buffers at most one line."""

    content_type = "application/x-ndjson"
    ended = False
    """No line ends the body: what ends an answer is in an object."""

    def __init__(self) -> None:
        self._failure: ServiceError | None = None
        self._pending = bytearray()

    @property
    def failure(self) -> ServiceError | None:
        """Why reading has stopped; see `Framing`."""
        return self._failure

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes; see `Framing`."""
        if self._failure:
            return []
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = bytes(self._pending) + lines[0]
            self._pending.clear()
        self._pending += rest
        if max(map(len, [self._pending, *lines])) > MAX_EVENT_BYTES:
            self._failure = UpstreamEventTooLarge()
            self._pending.clear()
            lines = [line for line in lines if len(line) <= MAX_EVENT_BYTES]
        return [Event(b"", line) for line in lines]

    def end(self) -> list[Event]:
        """Return the event that the end completes; see `Framing`."""
        line = bytes(self._pending)
        _require_whole(line)
        return [Event(b"", line)]

    def decode(self, event: Event) -> dict[str, Any] | None:
        """Return the object in a line; see `Framing`."""
        return decode_event(event)

    def encode(self, event: dict[str, Any]) -> bytes:
        """Return one line; see `Framing`."""
        return _encoded(event) + b"\n"


def _require_whole(data: bytes) -> None:
    """Raise UpstreamTruncated if the end of the body cuts `data`."""
    if not data.strip():
        return
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (ValueError, RecursionError):
        raise UpstreamTruncated from None
