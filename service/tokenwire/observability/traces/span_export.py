"""Exports spans in batches, counts lost spans, and bounds the time of the last export."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from tokenwire.observability.metrics import SpanDropReason

SHUTDOWN_SECONDS: Final = 1.0
"""The most seconds that process exit waits for the last spans."""
REPORT_INTERVAL_SECONDS: Final = 60.0
"""The minimum time between two log lines about lost spans."""

OnDropped = Callable[[int, SpanDropReason], None]

log = logging.getLogger(__name__)


class LossCause(Enum):
    """Why spans were lost; the values of the log field `cause`."""

    UNREACHABLE = "unreachable"
    TLS = "tls"
    TIMEOUT = "timeout"
    REJECTED = "rejected"
    SHUTDOWN = "shutdown"
    STDOUT = "stdout"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Loss:
    """The cause of lost spans.

    Attributes:
        cause: The kind of failure.
        code: The name of the collector's gRPC status, its HTTP status, or the type of an
            exception; empty if there is none.
    """

    cause: LossCause
    code: str = ""


class LostSpans:
    """Counts the spans that exporters lose, and logs their number and cause once a minute.

    Args:
        on_dropped: Called from any thread with the number of lost spans.
    """

    def __init__(self, on_dropped: OnDropped) -> None:
        self._on_dropped = on_dropped
        self._last_report = -REPORT_INTERVAL_SECONDS
        self._unreported = 0

    def add(self, spans: int, loss: Loss) -> None:
        """Count spans that were lost."""
        self._on_dropped(spans, SpanDropReason.EXPORT)
        self._unreported += spans
        now = time.monotonic()
        is_due = now - self._last_report >= REPORT_INTERVAL_SECONDS
        # A shutdown is always reported: it happens once, and has a cause of its own.
        if not is_due and loss.cause is not LossCause.SHUTDOWN:
            return
        self._last_report = now
        lost, self._unreported = self._unreported, 0
        fields = {"spans": lost, "cause": loss.cause.value}
        if loss.code:
            fields["code"] = loss.code
        log.warning("spans lost", extra=fields)


class CountingProcessor(BatchSpanProcessor):
    """A BatchSpanProcessor that counts lost spans and bounds the time of its shutdown.

    Args:
        exporter: Exports the batches. Its attribute `loss`, if it has one, is the cause of its
            last failure.
        on_dropped: Called from any thread with the number of spans that a full queue dropped.
        lost: Counts the spans that the exporter lost.
    """

    def __init__(self, exporter: SpanExporter, on_dropped: OnDropped, lost: LostSpans) -> None:
        self._on_dropped = on_dropped
        self._lost = lost
        self._exporter = _CountingExporter(exporter, lost)
        super().__init__(self._exporter)
        # The SDK reports a full queue only through metrics of its own.
        self._queue = self._batch_processor._queue  # noqa: SLF001 - see above

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span; a full queue drops its oldest span, which is counted."""
        sampled = span.context is not None and span.context.trace_flags.sampled
        if sampled and len(self._queue) == self._queue.maxlen:
            self._on_dropped(1, SpanDropReason.QUEUE)
        super().on_end(span)

    def shutdown(self) -> None:
        """Export the queued spans; block until done, or for SHUTDOWN_SECONDS at most.

        Spans that are not exported by then are counted as lost.
        """
        # The SDK's default is 30 seconds.
        self._batch_processor.shutdown(timeout_millis=round(SHUTDOWN_SECONDS * 1000))
        if unexported := len(self._queue) + self._exporter.abandon():
            self._lost.add(unexported, Loss(LossCause.SHUTDOWN))


class _CountingExporter(SpanExporter):
    """Counts the spans that another exporter fails to export."""

    def __init__(self, exporter: SpanExporter, lost: LostSpans) -> None:
        self._exporter = exporter
        self._lost = lost
        self._exporting = 0
        self._abandoned = False
        self._lock = threading.Lock()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._lock:
            self._exporting = len(spans)
        loss: Loss | None = None
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - any exception means that these spans are lost
            result = SpanExportResult.FAILURE
            loss = Loss(LossCause.OTHER, type(error).__qualname__)
        with self._lock:
            self._exporting = 0
            if result is not SpanExportResult.SUCCESS and not self._abandoned:
                loss = loss or getattr(self._exporter, "loss", None) or Loss(LossCause.OTHER)
                self._lost.add(len(spans), loss)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def abandon(self) -> int:
        """Stop counting, and return the number of spans of the export in progress."""
        with self._lock:
            self._abandoned = True
            return self._exporting
