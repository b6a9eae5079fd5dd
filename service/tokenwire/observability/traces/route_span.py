"""The span of each request on a route, a child of the span of the call's operation."""

from typing import Final

from opentelemetry import trace

from tokenwire.core.attempts import Attempts

ROUTE: Final = "tokenwire.route"
"""The attribute with the route, UPSTREAM/MODEL; both are names of the gateway file."""
RESULT: Final = "tokenwire.route.result"
"""The attribute with the result, as the label of `tokenwire_route_requests`."""


class RouteSpans:
    """Starts the spans of requests on routes.

    Args:
        provider: The tracer provider.
    """

    def __init__(self, provider: trace.TracerProvider) -> None:
        self._tracer = provider.get_tracer("tokenwire")

    def start(self, attempts: Attempts, route: str) -> trace.Span | None:
        """Start the span of a request, and continue the trace to the upstream from it.

        Args:
            attempts: The record of the call's requests.
            route: The route, UPSTREAM/MODEL.

        Returns:
            The span, which the caller must end; None if the call is not sampled.
        """
        parent = attempts.span
        attempts.request_span = None
        if parent is None or not parent.is_recording():
            return None
        attempts.request_span = self._tracer.start_span(
            f"route {route}",
            context=trace.set_span_in_context(parent),
            kind=trace.SpanKind.CLIENT,
            attributes={ROUTE: route},
        )
        return attempts.request_span
