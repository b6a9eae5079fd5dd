"""The headers that propagate a trace to an upstream."""

from typing import Final

from opentelemetry.trace import Span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

# Not the configured propagators, which would send the caller's baggage to the upstream.
PROPAGATOR: Final = TraceContextTextMapPropagator()


def trace_headers(span: Span | None) -> dict[str, str]:
    """Return the headers that make the upstream's spans children of `span`.

    They are empty if `span` is missing or invalid.
    """
    if span is None or not span.get_span_context().is_valid:
        return {}
    headers: dict[str, str] = {}
    PROPAGATOR.inject(headers, set_span_in_context(span))
    return headers
