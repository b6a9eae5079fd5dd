"""A strict reader of server-sent events with size limits.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from typing import Final

import msgspec

from tokenwire.core.errors import (
    ServiceError,
    UpstreamEventTooLarge,
    UpstreamResponseTooLarge,
    UpstreamTruncated,
)
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.http.event_runs import END, Run, Template, Templates

BOM = b"\xef\xbb\xbf"
FIELDS = (b"data", b"event", b"id", b"retry", b"error")
"""The field names with which a line of an event begins."""
SILENCE_FACTOR: Final = 16
"""The most bytes that may arrive without completing an event, as a multiple of the event limit."""
MAX_MISSES: Final = 3
"""After so many events in a row that belong to no run, the rest of a read is not searched."""


class EventReader:
    """Splits a stream of bytes into events. It buffers at most one event.

    Args:
        max_event_bytes: The size limit of one event.
        last: The data of the event that ends the stream. Neither this event nor anything after
            it is returned.

    Attributes:
        ended: Whether `last` has arrived.
        failure: The reason why reading has stopped, or None.
        templates: Finds runs of alike events; None if each event is returned on its own.
    """

    def __init__(self, max_event_bytes: int, last: bytes) -> None:
        self.ended = False
        self.failure: ServiceError | None = None
        self.templates: Templates | None = None
        self._last = last
        self._max_event_bytes = max_event_bytes
        self._max_bytes_without_event = SILENCE_FACTOR * max_event_bytes
        self._bytes_without_event = 0
        self._pending = bytearray()
        self._in_large_line = False
        self._after_cr = False
        self._start: bytes | None = b""

    @property
    def pending(self) -> bytes:
        """The bytes after the last complete event."""
        return bytes(self._pending)

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes, each on its own; see `feed_runs`."""
        return [event for event in self.feed_runs(data) if isinstance(event, Event)]

    def feed_runs(self, data: bytes) -> list[Event | Run]:
        """Return the events that `data` completes. The caller must check `failure` afterwards."""
        if self.ended or self.failure:
            return []
        data = self._normalize(data)
        self._bytes_without_event += len(data)
        events: list[Event | Run] = []
        if self._in_large_line:
            if b"\n" in data:
                self.failure = UpstreamEventTooLarge()
        else:
            self._split(data, events)
        if events:
            self._bytes_without_event = len(self._pending)
        elif self._bytes_without_event > self._max_bytes_without_event and not (
            self.ended or self.failure
        ):
            self.failure = UpstreamResponseTooLarge()
        return events

    def end(self) -> list[Event]:
        """Return the event that the end of the stream completes, if any.

        The standard discards such an event, but some servers omit the final newline.

        Raises:
            UpstreamTruncated: The stream ends inside an event.
        """
        self.templates = None
        events = self.feed(END)
        for event in events:
            if event.name != b"error":
                try:
                    msgspec.json.decode(event.data, type=msgspec.Raw)
                except (ValueError, RecursionError):
                    raise UpstreamTruncated from None
        return events

    def _split(self, data: bytes, events: list[Event | Run]) -> None:
        """Append the events that `data` completes to `events`."""
        if self._pending:
            seen = len(self._pending) - 1
            self._pending += data
            # Only the new bytes are searched; otherwise the cost of an event that arrives in many
            # pieces would be quadratic.
            if self._pending.find(b"\n\n", seen) < 0:
                self._check_pending()
                return
            data = bytes(self._pending)
            self._pending.clear()
        template = self.templates.current if self.templates else None
        if template is not None and len(data) < self._max_event_bytes:
            data = self._cut_runs(template, data, events)
            if self.ended or self.failure:
                return
        *blocks, pending = data.split(END)
        self._pending += pending
        if self._add_blocks(blocks, events):
            self._check_pending()

    def _cut_runs(self, template: Template, data: bytes, events: list[Event | Run]) -> bytes:
        """Append the events up to the end of the last run to `events`; return what follows."""
        start = misses = 0
        while misses < MAX_MISSES:
            run = template.cut(data, start)
            if run:
                events.append(run)
                start = run.end
                misses = 0
            end = data.find(END, start)
            if end < 0 or not self._add_blocks([data[start:end]], events):
                break
            start = end + len(END)
            misses += 1
        return data[start:]

    def _add_blocks(self, blocks: list[bytes], events: list[Event | Run]) -> bool:
        """Append the events in `blocks` to `events`; return False if reading must stop."""
        for block in blocks:
            if not block:
                continue
            if len(block) > self._max_event_bytes:
                is_event = block.lstrip(b"\n").startswith(FIELDS)
                self.failure = UpstreamEventTooLarge() if is_event else UpstreamResponseTooLarge()
                return False
            event = _parse(block)
            if event is None:
                continue
            if event.data == self._last:
                self.ended = True
                return False
            events.append(event)
        return True

    def _check_pending(self) -> None:
        if len(self._pending) <= self._max_event_bytes:
            return
        pending = self._pending.lstrip(b"\n")
        if not pending.startswith(FIELDS):
            self.failure = UpstreamResponseTooLarge()
        elif b"\n" in pending:
            self.failure = UpstreamEventTooLarge()
        else:
            # The content is not needed. The line's end shows that it is a large event; without an
            # end, it is not an event.
            self._in_large_line = True
            self._pending.clear()

    def _normalize(self, data: bytes) -> bytes:
        """Remove the BOM and convert CR LF and CR to LF, also where a read splits them."""
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
        elif field == b"error" and value.startswith(b"{"):
            # No field of the standard: some upstreams name the line after what it holds.
            name = field
            data.append(value)
    return Event(name, b"\n".join(data)) if data else None
