"""The metrics of a gateway file's routes."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from tokenwire.observability.metrics import labels
from tokenwire.observability.metrics.labels import RouteResult
from tokenwire.observability.prometheus_values import Counter, Gauge


class RouteMetrics:
    """The metrics of the routes. Their labels are names of the gateway file, so they are bounded.

    Args:
        registry: The registry to add the metrics to.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        route = (labels.ROUTE,)
        self._requests = Counter(
            "tokenwire_route_requests",
            "With a gateway file: requests on a route that ended, by result.",
            (*route, labels.RESULT),
            registry=registry,
        )
        self._fallbacks = Counter(
            "tokenwire_route_fallbacks",
            "With a gateway file: calls that moved on from a route because it failed.",
            route,
            registry=registry,
        )
        self._open = Gauge(
            "tokenwire_route_open",
            "With a gateway file: 1 while the breakers of a route let no request through.",
            route,
            registry=registry,
        )
        self._streams = Gauge(
            "tokenwire_upstream_streams_in_flight",
            "With a gateway file: requests in flight to an upstream.",
            (labels.UPSTREAM,),
            registry=registry,
        )
        self._waiting = Gauge(
            "tokenwire_route_waiting",
            "With a gateway file: calls that wait because every route is open or full.",
            registry=registry,
        )

    def watch_upstream(self, name: str, in_flight: Callable[[], int]) -> None:
        """Export the requests in flight to an upstream, read at each scrape."""
        self._streams.labels(name).set_function(in_flight)

    def watch_waiting(self, waiting: Callable[[], int]) -> None:
        """Export the number of calls that wait for a route, read at each scrape."""
        self._waiting.set_function(waiting)

    def watch_route(
        self, name: str, is_open: Callable[[], bool]
    ) -> tuple[Callable[[RouteResult], None], Callable[[], None]]:
        """Export whether a route is open, read at each scrape.

        Returns:
            What counts a request that ended, and what counts a call that moved on.
        """
        self._open.labels(name).set_function(lambda: float(is_open()))
        by_result = {result: self._requests.labels(name, result.value) for result in RouteResult}
        return lambda result: by_result[result].inc(), self._fallbacks.labels(name).inc
