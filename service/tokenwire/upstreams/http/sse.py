"""A strict, bounded reader of server-sent events.

Source of the format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from typing import Final

import msgspec

from tokenwire.core.errors import (
    ServiceError,
    UpstreamEventTooLarge,
    UpstreamResponseTooLarge,
    UpstreamTruncated,
)

BOM = b"\xef\xbb\xbf"
FIELDS = (b"data", b"event", b"id", b"retry")
"""What a line of an event begins with."""
MOST_SILENCE: Final = 16


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event: its name (empty for the default) and its data, still encoded."""

    name: bytes
    data: bytes


class EventReader:
    """Cuts a stream of bytes into events, holding at most one event in memory.

    Args:
        max_event_bytes: The largest event that is accepted. Without completing an
            event no more than MOST_SILENCE times as much may come.
        last: The data of the event that ends the stream. It is not returned,
            nor is anything after it.

    Attributes:
        ended: Whether `last` has come.
        failure: Why nothing more can be read, once that is so.
    """

    def __init__(self, max_event_bytes: int, last: bytes) -> None:
        self.ended = False
        self.failure: ServiceError | None = None
        self._last = last
        self._max_event_bytes = max_event_bytes
        self._max_silence_bytes = MOST_SILENCE * max_event_bytes
        self._silence = 0
        self._rest = bytearray()
        self._in_large_line = False
        self._after_cr = False
        self._start: bytes | None = b""

    @property
    def rest(self) -> bytes:
        """What has come since the last whole event."""
        return bytes(self._rest)

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes; afterwards look at `failure`."""
        if self.ended or self.failure:
            return []
        data = self._normalise(data)
        self._silence += len(data)
        events: list[Event] = []
        if self._in_large_line:
            if b"\n" in data:
                self.failure = UpstreamEventTooLarge()
        else:
            self._cut(data, events)
        if events:
            self._silence = len(self._rest)
        elif self._silence > self._max_silence_bytes and not (self.ended or self.failure):
            self.failure = UpstreamResponseTooLarge()
        return events

    def end(self) -> list[Event]:
        """Return the event that only the end of the stream completes, if there is one.

        The standard drops it; some servers leave out the last line end.

        Raises:
            UpstreamTruncated: The stream ends within an event.
        """
        events = self.feed(b"\n\n")
        for event in events:
            if not event.name:
                try:
                    msgspec.json.decode(event.data, type=msgspec.Raw)
                except (ValueError, RecursionError):
                    raise UpstreamTruncated from None
        return events

    def _cut(self, data: bytes, events: list[Event]) -> None:
        """Add the events that `data` completes to `events`."""
        if self._rest:
            seen = len(self._rest) - 1
            self._rest += data
            # Looking only at what is new keeps an event in many pieces from costing their square.
            if self._rest.find(b"\n\n", seen) < 0:
                self._check_rest()
                return
            data = bytes(self._rest)
            self._rest.clear()
        *blocks, rest = data.split(b"\n\n")
        self._rest += rest
        for block in filter(None, blocks):
            if len(block) > self._max_event_bytes:
                is_event = block.lstrip(b"\n").startswith(FIELDS)
                self.failure = UpstreamEventTooLarge() if is_event else UpstreamResponseTooLarge()
                return
            event = _parse(block)
            if event is None:
                continue
            if event.data == self._last:
                self.ended = True
                return
            events.append(event)
        self._check_rest()

    def _check_rest(self) -> None:
        if len(self._rest) <= self._max_event_bytes:
            return
        rest = self._rest.lstrip(b"\n")
        if not rest.startswith(FIELDS):
            self.failure = UpstreamResponseTooLarge()
        elif b"\n" in rest:
            self.failure = UpstreamEventTooLarge()
        else:
            # Nothing of it is of use. Whether it is a large event or no event at all
            # shows when the line ends, if it does.
            self._in_large_line = True
            self._rest.clear()

    def _normalise(self, data: bytes) -> bytes:
        """Drop the BOM and turn CR LF and CR into LF, also where they are cut between reads."""
        if self._start is not None:
            data = self._start + data
            if BOM.startswith(data):
                self._start = data
                return b""
            self._start = None
            data = data.removeprefix(BOM)
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data


def _parse(block: bytes) -> Event | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return Event(b"", block[6:])
    name = b""
    data = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return Event(name, b"\n".join(data)) if data else None
