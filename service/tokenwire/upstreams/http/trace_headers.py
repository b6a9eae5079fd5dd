"""The headers that propagate a trace to an upstream, as of https://www.w3.org/TR/trace-context/."""

from opentelemetry.trace import Span


def trace_headers(span: Span | None) -> dict[str, str]:
    """Return the headers that make the upstream's spans children of `span`.

    They are empty if `span` is missing or invalid. The caller's baggage is not among them.
    """
    context = span.get_span_context() if span is not None else None
    if context is None or not context.is_valid:
        return {}
    traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    if not context.trace_state:
        return {"traceparent": traceparent}
    return {"traceparent": traceparent, "tracestate": context.trace_state.to_header()}
