"""Cuts runs of alike events, which differ in one JSON string, out of what arrives together.

To find and decode an event costs more than its text is worth where a hundred arrive in one read.
An event whose bytes equal those of an event that was decoded, but for one string value, means the
same but for that value. See docs/adr/0048-runs-of-alike-events.md.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Final, Protocol

import msgspec

from tokenwire.upstreams.http.event import Event

QUOTE: Final = b'"'
LINE: Final = b"data: "
END: Final = b"\n\n"
BACKSLASH: Final = ord("\\")
CONTROL: Final = re.compile(rb"[\x00-\x1f]")
"""Characters that JSON does not allow within a string."""


class Template:
    """The data of an event before and after one string.

    Args:
        before: The data up to the string, with its first quote.
        after: The data from its last quote on.
    """

    def __init__(self, before: bytes, after: bytes) -> None:
        self._before, self._after = before, after
        self._start = LINE + before
        self._between = after + END + LINE + before
        self._common = len(self._between)

    def cut(self, data: bytes, start: int) -> "Run | None":
        """Return the run of events that begins at `start`; None if none does.

        An event is part of the run only if the first bytes of another one follow it.
        """
        if not data.startswith(self._start, start):
            return None
        values: list[bytes] = []
        between, common, add = self._between, self._common, values.append
        find, follows = data.find, data.startswith
        begin = start + len(self._start)
        while True:
            end = find(QUOTE, begin)
            if not follows(between, end):
                # Quotes within the string; that it is one string shows when it is decoded.
                while end > begin and data[end - 1] == BACKSLASH and not follows(between, end):
                    end = find(QUOTE, end + 1)
                if not follows(between, end):
                    break
            add(data[begin:end])
            begin = end + common
        joined = b"".join(values)
        if CONTROL.search(joined):
            # It may end a line, and then the event too.
            values = list(takewhile(lambda value: not CONTROL.search(value), values))
            joined = b"".join(values)
        if not values:
            return None
        return Run(self, values, joined, start + len(joined) + len(values) * common)

    def event(self, value: bytes) -> Event:
        """Return the event that has `value` as its encoded string."""
        return Event(b"", self._before + value + self._after)


class Run(msgspec.Struct, frozen=True):
    """Consecutive events that differ in one string.

    Attributes:
        template: What they have in common.
        values: The strings, encoded in JSON, without quotes.
        joined: All of them, one after the other.
        end: The position of the end of the run in the bytes that were searched.
    """

    template: Template
    values: list[bytes]
    joined: bytes
    end: int

    def events(self) -> list[Event]:
        """Return the events one by one."""
        return [self.template.event(value) for value in self.values]


class Templates(Protocol):
    """Finds templates."""

    @property
    def current(self) -> Template | None:
        """The template of the events that are expected; None if there is none."""
        ...


def one_by_one(batch: Iterable[Event | Run]) -> Iterator[Event]:
    """Yield each event, also of runs."""
    for each in batch:
        yield from each.events() if isinstance(each, Run) else (each,)
