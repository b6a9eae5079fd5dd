"""What happens between this service and its upstream for one answer.

The model side notes it as it goes, without knowing whose answer it is; who
asked reads it at the end.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

from opentelemetry.trace import Span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

# Not the configured ones: the baggage of callers is none of the upstream's business.
PROPAGATOR: Final = TraceContextTextMapPropagator()


@dataclass(slots=True)
class Exchange:
    """The record of one answer's requests to the upstream.

    Times are readings of `time.monotonic`, in seconds; 0 means not yet, or not known.

    Attributes:
        asked: When the model was asked.
        sent: When the first request was handed to the HTTP client.
        read: When the bytes that brought the first text had been read.
        begun: Whether the first text has reached who asked.
        span: Covers them all; its trace goes on to the upstream.
        retries: Why requests were repeated: the reasons of the failures before.
    """

    asked: float = 0.0
    sent: float = 0.0
    read: float = 0.0
    begun: bool = False
    span: Span | None = None
    retries: list[str] = field(default_factory=list)

    def repeated(self, reason: str, after_seconds: float) -> None:
        """Note that a request failed for `reason` and will be repeated."""
        self.retries.append(reason)
        if self.span:
            self.span.add_event(
                "retry", {"error.type": reason, "tokenwire.retry.delay_seconds": after_seconds}
            )

    def headers(self) -> Mapping[str, str] | None:
        """Return what tells the upstream of the trace, if there is one."""
        if self.span is None or not self.span.get_span_context().is_valid:
            return None
        headers: dict[str, str] = {}
        PROPAGATOR.inject(headers, set_span_in_context(self.span))
        return headers


current: ContextVar[Exchange] = ContextVar("exchange")
"""The record that the running task fills."""


def noted() -> Exchange:
    """Return the current record, or one that nobody reads."""
    return current.get(None) or Exchange()
