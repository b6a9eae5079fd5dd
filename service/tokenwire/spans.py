"""Spans on their way out: what is lost is counted, and nobody waits for it."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from tokenwire.metrics import Dropped

SHUTDOWN_SECONDS: Final = 1.0
"""How long the last spans may take at the end of the process."""
SAID_EVERY_SECONDS: Final = 60.0
"""How often the log says at most that spans are lost."""

OnDropped = Callable[[int, Dropped], None]

log = logging.getLogger(__name__)


class CountingProcessor(BatchSpanProcessor):
    """A BatchSpanProcessor that tells of lost spans and does not hold up the end.

    Args:
        exporter: Where batches go.
        on_dropped: Told how many spans were lost and why, by any thread.
    """

    def __init__(self, exporter: SpanExporter, on_dropped: OnDropped) -> None:
        self._on_dropped = on_dropped
        super().__init__(_CountingExporter(exporter, on_dropped))
        # The SDK tells of a full queue only through metrics of its own.
        self._waiting = self._batch_processor._queue  # noqa: SLF001 - see above

    def on_end(self, span: ReadableSpan) -> None:
        """Put the span among those that wait; when too many do, the oldest is lost."""
        sampled = span.context is not None and span.context.trace_flags.sampled
        if sampled and len(self._waiting) == self._waiting.maxlen:
            self._on_dropped(1, Dropped.QUEUE)
        super().on_end(span)

    def shutdown(self) -> None:
        """Send what is left; blocks until done or given up."""
        # The original waits for thirty seconds.
        self._batch_processor.shutdown(timeout_millis=round(SHUTDOWN_SECONDS * 1000))


class _CountingExporter(SpanExporter):
    """Counts the spans that another exporter fails to export."""

    def __init__(self, exporter: SpanExporter, on_dropped: OnDropped) -> None:
        self._exporter = exporter
        self._on_dropped = on_dropped
        self._said = -SAID_EVERY_SECONDS

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 - whatever it is, these spans are lost
            result = SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self._on_dropped(len(spans), Dropped.EXPORT)
            self._say(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def _say(self, spans: int) -> None:
        now = time.monotonic()
        if now - self._said >= SAID_EVERY_SECONDS:
            self._said = now
            log.warning("spans lost: the collector does not take them", extra={"spans": spans})
