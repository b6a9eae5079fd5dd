"""Spans on their way out: what is lost is counted, and nobody waits for it."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from tokenwire.observability.metrics import Dropped

SHUTDOWN_SECONDS: Final = 1.0
"""How long the last spans may take at the end of the process."""
SAID_EVERY_SECONDS: Final = 60.0
"""How often the log says at most that spans are lost."""

OnDropped = Callable[[int, Dropped], None]

log = logging.getLogger(__name__)


class LossCause(Enum):
    """Why an exporter lost spans."""

    UNREACHABLE = "unreachable"
    TLS = "tls"
    TIMEOUT = "timeout"
    REJECTED = "rejected"
    SHUTDOWN = "shutdown"
    STDOUT = "stdout"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Loss:
    """Why spans were lost.

    Attributes:
        cause: Why.
        code: The collector's status: a gRPC code's name or an HTTP status; or empty.
    """

    cause: LossCause
    code: str = ""


class LostSpans:
    """Counts the spans that exporters lose, and says once a minute that and why they do.

    Args:
        on_dropped: Told how many spans were lost, by any thread.
    """

    def __init__(self, on_dropped: OnDropped) -> None:
        self._on_dropped = on_dropped
        self._said = -SAID_EVERY_SECONDS
        self._unsaid = 0

    def add(self, spans: int, loss: Loss) -> None:
        """Count spans that were lost."""
        self._on_dropped(spans, Dropped.EXPORT)
        self._unsaid += spans
        now = time.monotonic()
        # The end comes once, and what it loses may be of another cause.
        if now - self._said < SAID_EVERY_SECONDS and loss.cause is not LossCause.SHUTDOWN:
            return
        self._said = now
        lost, self._unsaid = self._unsaid, 0
        fields = {"spans": lost, "cause": loss.cause.value}
        if loss.code:
            fields["code"] = loss.code
        log.warning("spans lost", extra=fields)


class CountingProcessor(BatchSpanProcessor):
    """A BatchSpanProcessor that tells of lost spans and does not hold up the end.

    Args:
        exporter: Where batches go. Its attribute `loss`, if it has one, says why the
            last batch that it did not export was lost.
        on_dropped: Told how many spans were lost because too many waited.
        lost: Told of those that the exporter lost.
    """

    def __init__(self, exporter: SpanExporter, on_dropped: OnDropped, lost: LostSpans) -> None:
        self._on_dropped = on_dropped
        self._lost = lost
        self._exporter = _CountingExporter(exporter, lost)
        super().__init__(self._exporter)
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
        if left := len(self._waiting) + self._exporter.give_up():
            self._lost.add(left, Loss(LossCause.SHUTDOWN))


class _CountingExporter(SpanExporter):
    """Counts the spans that another exporter fails to export."""

    def __init__(self, exporter: SpanExporter, lost: LostSpans) -> None:
        self._exporter = exporter
        self._lost = lost
        self._exporting = 0
        self._given_up = False
        self._lock = threading.Lock()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._lock:
            self._exporting = len(spans)
        loss: Loss | None = None
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - whatever it is, these spans are lost
            result = SpanExportResult.FAILURE
            loss = Loss(LossCause.OTHER, type(error).__qualname__)
        with self._lock:
            self._exporting = 0
            if result is not SpanExportResult.SUCCESS and not self._given_up:
                loss = loss or getattr(self._exporter, "loss", None) or Loss(LossCause.OTHER)
                self._lost.add(len(spans), loss)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def give_up(self) -> int:
        """Return how many spans are still being exported; they are not counted any more."""
        with self._lock:
            self._given_up = True
            return self._exporting
