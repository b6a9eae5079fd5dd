"""The handler of the root logger: renders each record and queues the line."""

import logging
from collections.abc import Callable, Mapping
from typing import Final, TextIO

from tokenwire.observability.logs.line_writer import LineDropReason, LineWriter
from tokenwire.observability.prometheus_values import Counter

FLUSH_SECONDS: Final = 1.0
"""How long process exit waits for the queue to be written."""
MAX_LINE_CHARACTERS: Final = 16_384
"""A longer line is written without its fields."""
UNRENDERED: Final = "log line cannot be rendered"
"""The event that replaces a record whose rendering raised an exception."""
DROPPED: Final = "log lines dropped"
"""The event that reports dropped lines."""

LINES_DROPPED: Final = Counter(
    "tokenwire_log_lines_dropped",
    "Log lines that were not written, by reason.",
    ("reason",),
    registry=None,
)
"""Global, because the log belongs to the whole process."""
for _reason in LineDropReason:
    LINES_DROPPED.labels(_reason.value)

log = logging.getLogger(__name__)

RecordFilter = Callable[[logging.LogRecord], logging.LogRecord | LineDropReason | None]
"""Returns the record to log instead; the reason for which it is dropped and counted; or None
to ignore it."""


class QueueingHandler(logging.StreamHandler[TextIO]):
    """Renders each record in the thread that logs it; a writer thread writes the lines.

    The queue holds rendered lines, so no record and none of its values outlives the log call.

    Args:
        stream: Where lines are written.
        record_filter: Decides which records are logged.
    """

    def __init__(self, stream: TextIO, record_filter: RecordFilter) -> None:
        super().__init__(stream)
        self._record_filter = record_filter
        self._writer = LineWriter(stream, "log", _count, self._report)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line, or drop and count it if the queue is full."""
        filtered = self._record_filter(record)
        if isinstance(filtered, logging.LogRecord):
            self._writer.put(self._line(filtered))
        elif filtered is not None:
            self._writer.count_dropped(filtered)

    def setStream(self, stream: TextIO) -> TextIO | None:  # noqa: N802 - the original's name
        """Flush the queue, then write to `stream`; return the previous stream."""
        self.flush()
        previous, self.stream = self.stream, stream
        self._writer.set_stream(stream)
        return previous

    def flush(self) -> None:
        """Wait at most FLUSH_SECONDS for the queued lines to be written."""
        # Not under the handler's lock, so that no logging thread waits for the stream.
        self._writer.flush(FLUSH_SECONDS)

    def close(self) -> None:
        """End the writer thread once the queue is written, without waiting for it."""
        self._writer.close()
        super().close()

    def _line(self, record: logging.LogRecord) -> bytes:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - logging must not fail the code that logs
            line = self.format(_plain(record, UNRENDERED, exception=type(error).__qualname__))
        if len(line) > MAX_LINE_CHARACTERS:
            event = str(record.msg)[: MAX_LINE_CHARACTERS // 2]
            line = self.format(_plain(record, event, characters=len(line)))
        return line.encode(errors="backslashreplace") + b"\n"

    def _report(self, counts: Mapping[LineDropReason, int]) -> bytes:
        if not log.isEnabledFor(logging.WARNING):
            return b""
        record = logging.LogRecord(log.name, logging.WARNING, __file__, 0, DROPPED, (), None)
        record.lines = sum(counts.values())
        record.reasons = {reason.value: lines for reason, lines in counts.items()}
        return self._line(record)


def _plain(record: logging.LogRecord, event: str, **fields: object) -> logging.LogRecord:
    """Return a copy of a record with another event and other fields, without its arguments."""
    plain = logging.LogRecord(
        record.name, record.levelno, record.pathname, record.lineno, event, (), None
    )
    vars(plain).update(fields)
    return plain


def _count(reason: LineDropReason, lines: int) -> None:
    LINES_DROPPED.labels(reason.value).inc(lines)
