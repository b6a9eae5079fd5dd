"""A strict, bounded reader of server-sent events.

Source of the format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from typing import NamedTuple

from tokenwire.errors import ServiceError, UpstreamEventTooLarge, UpstreamResponseTooLarge

BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: its name (empty for the default) and its data, still encoded."""

    name: bytes
    data: bytes


class EventReader:
    """Cuts a stream of bytes into events, holding at most one event in memory.

    Args:
        max_event_bytes: The largest event that is accepted.
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
        self._rest = b""
        self._after_cr = False
        self._start: bytes | None = b""

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes; afterwards look at `failure`."""
        if self.ended or self.failure:
            return []
        data = self._normalise(data)
        blocks = (self._rest + data if self._rest else data).split(b"\n\n")
        self._rest = blocks.pop()
        events: list[Event] = []
        for block in blocks:
            if len(block) > self._max_event_bytes:
                self.failure = _too_large(block)
                return events
            event = _parse(block)
            if event is None:
                continue
            if event.data == self._last:
                self.ended = True
                break
            events.append(event)
        if len(self._rest) > self._max_event_bytes:
            self.failure = _too_large(self._rest)
        return events

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


def _too_large(block: bytes) -> ServiceError:
    if block.lstrip(b"\n").startswith((b"data", b"event", b"id", b"retry")):
        return UpstreamEventTooLarge()
    return UpstreamResponseTooLarge()


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
