"""The handler of the root logger: renders a line and queues it."""

import logging
from collections.abc import Callable, Mapping
from typing import Final, TextIO

from tokenwire.observability.logs.line_writer import Drop, LineWriter
from tokenwire.observability.prometheus_values import Counter

FLUSH_SECONDS: Final = 1.0
"""How long the end of the process waits for the last lines."""
MAX_LINE_CHARACTERS: Final = 16_384
"""A longer line is written without its fields."""
UNRENDERED: Final = "log line cannot be rendered"
DROPPED: Final = "log lines dropped"

LINES_DROPPED: Final = Counter(
    "tokenwire_log_lines_dropped",
    "Log lines that were not written, by reason.",
    ("reason",),
    registry=None,
)
"""Of the whole process, as its log is."""
for _drop in Drop:
    LINES_DROPPED.labels(_drop.value)

log = logging.getLogger(__name__)

Select = Callable[[logging.LogRecord], logging.LogRecord | Drop | None]
"""Returns what to log in place of a record: nothing, or why it is dropped and counted."""


class QueueingHandler(logging.StreamHandler[TextIO]):
    """Renders lines in the thread that logs, so that nothing of a record waits in the queue.

    Args:
        stream: Where lines go.
        select: Decides what is logged.
    """

    def __init__(self, stream: TextIO, select: Select) -> None:
        super().__init__(stream)
        self._select = select
        self._writer = LineWriter(stream, "log", _count, self._report)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line; drop and count it when there is no room."""
        selected = self._select(record)
        if isinstance(selected, logging.LogRecord):
            self._writer.put(self._line(selected))
        elif selected is not None:
            self._writer.dropped(selected)

    def setStream(self, stream: TextIO) -> TextIO | None:  # noqa: N802 - the original's name
        """Write what is queued, then use another stream; return the one before."""
        self.flush()
        before, self.stream = self.stream, stream
        self._writer.set_stream(stream)
        return before

    def flush(self) -> None:
        """Wait for the queued lines to be written, for a second at most."""
        # Without the handler's lock: nobody who logs waits for the stream.
        self._writer.flush(FLUSH_SECONDS)

    def close(self) -> None:
        """Let the thread end once all is written; does not wait for it."""
        self._writer.close()
        super().close()

    def _line(self, record: logging.LogRecord) -> bytes:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - whoever logs must not fail by it
            line = self.format(_plain(record, UNRENDERED, exception=type(error).__qualname__))
        if len(line) > MAX_LINE_CHARACTERS:
            event = str(record.msg)[: MAX_LINE_CHARACTERS // 2]
            line = self.format(_plain(record, event, characters=len(line)))
        return line.encode(errors="backslashreplace") + b"\n"

    def _report(self, counts: Mapping[Drop, int]) -> bytes:
        if not log.isEnabledFor(logging.WARNING):
            return b""
        record = logging.LogRecord(log.name, logging.WARNING, __file__, 0, DROPPED, (), None)
        record.lines = sum(counts.values())
        record.reasons = {drop.value: lines for drop, lines in counts.items()}
        return self._line(record)


def _plain(record: logging.LogRecord, event: str, **fields: object) -> logging.LogRecord:
    """Return a record in the place of another, without its arguments and fields."""
    plain = logging.LogRecord(
        record.name, record.levelno, record.pathname, record.lineno, event, (), None
    )
    vars(plain).update(fields)
    return plain


def _count(drop: Drop, lines: int) -> None:
    LINES_DROPPED.labels(drop.value).inc(lines)
