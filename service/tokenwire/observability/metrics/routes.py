"""The metrics of a gateway file and of its routes."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry

from tokenwire.observability.metrics import labels
from tokenwire.observability.metrics.labels import ReloadResult, RouteResult
from tokenwire.observability.metrics.removed_names import RemovedNames
from tokenwire.observability.prometheus_values import Counter, Gauge

WITH_FILE: Final = "With a gateway file: "


class RouteCounters(NamedTuple):
    """Counts the events of a route.

    Attributes:
        ended: Counts a request that ended.
        moved_on: Counts a call that moved on from the route.
        hedged: Counts a request on the route because another one is slow.
    """

    ended: Callable[[RouteResult], None]
    moved_on: Callable[[], None]
    hedged: Callable[[], None]


class RouteMetrics:
    """The metrics of the routes. Their labels are names of the gateway file, so they are bounded.

    Args:
        registry: The registry to add the metrics to.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        route = (labels.ROUTE,)
        self._requests = Counter(
            "tokenwire_route_requests",
            f"{WITH_FILE}requests on a route that ended, by result.",
            (*route, labels.RESULT),
            registry=registry,
        )
        self._fallbacks = Counter(
            "tokenwire_route_fallbacks",
            f"{WITH_FILE}calls that moved on from a route because it failed.",
            route,
            registry=registry,
        )
        self._hedges = Counter(
            "tokenwire_route_hedges",
            f"{WITH_FILE}calls that asked a route too because the first one was slow.",
            route,
            registry=registry,
        )
        self._open = Gauge(
            "tokenwire_route_open",
            f"{WITH_FILE}1 while the breakers of a route let no request through.",
            route,
            registry=registry,
        )
        self._streams = Gauge(
            "tokenwire_upstream_streams_in_flight",
            f"{WITH_FILE}requests in flight to an upstream.",
            (labels.UPSTREAM,),
            registry=registry,
        )
        self._waiting = Gauge(
            "tokenwire_route_waiting",
            f"{WITH_FILE}calls that wait because every route is open or full.",
            registry=registry,
        )
        self._serving = Gauge(
            "tokenwire_model_serving",
            f"{WITH_FILE}1 while one of a model's routes lets requests through.",
            (labels.GATEWAY_MODEL,),
            registry=registry,
        )
        reloads = Counter(
            "tokenwire_gateway_reloads",
            f"{WITH_FILE}changes of it or of a file that it names, by whether the new content "
            "could be used.",
            (labels.RESULT,),
            registry=registry,
        )
        self._reloads = {result: reloads.labels(result.value) for result in ReloadResult}
        self._usable = Gauge(
            "tokenwire_gateway_file_usable",
            f"{WITH_FILE}1 if its current content is in use, 0 if that is invalid and the previous "
            "content stays in use.",
            registry=registry,
        )
        self._usable.set(1)
        self._versions = Gauge(
            "tokenwire_gateway_versions",
            f"{WITH_FILE}contents of it that are in use: the current one, and previous ones with "
            "which calls began that still run.",
            registry=registry,
        )
        self._removed_routes = RemovedNames(self._drop_route)
        self._routes: set[str] = set()
        self._upstreams: set[str] = set()
        self._models: set[str] = set()

    def watch(self, waiting: Callable[[], int], versions: Callable[[], int]) -> None:
        """Export the numbers of calls that wait and of versions in use, read at each scrape."""
        self._waiting.set_function(waiting)
        self._versions.set_function(versions)

    def count_reload(self, result: ReloadResult) -> None:
        """Count a change of the files."""
        self._reloads[result].inc()
        self._usable.set(result is ReloadResult.OK)

    def set_models(self, is_serving: Mapping[str, Callable[[], bool]]) -> None:
        """Export whether each model is served, read at each scrape, and of no other."""
        for name in self._models - is_serving.keys():
            self._serving.remove(name)
        for name, function in is_serving.items():
            self._serving.labels(name).set_function(_as_number(function))
        self._models = {*is_serving}

    def set_upstreams(self, in_flight: Mapping[str, Callable[[], int]]) -> None:
        """Export the requests in flight to each upstream, read at each scrape, and to no other."""
        for name in self._upstreams - in_flight.keys():
            self._streams.remove(name)
        for name, count in in_flight.items():
            self._streams.labels(name).set_function(count)
        self._upstreams = {*in_flight}

    def set_routes(self, is_open: Mapping[str, Callable[[], bool]]) -> None:
        """Export whether each route is open, read at each scrape, and of no other."""
        for name in self._routes - is_open.keys():
            self._open.remove(name)
        for name, function in is_open.items():
            self._open.labels(name).set_function(_as_number(function))
        # Requests on a removed route may still run, so its counters are kept for some time.
        self._removed_routes.update(self._routes - is_open.keys(), is_open)
        self._routes = {*is_open}

    def counters(self, route: str) -> RouteCounters:
        """Return what counts the events of a route."""
        by_result = {result: self._requests.labels(route, result.value) for result in RouteResult}
        return RouteCounters(
            lambda result: by_result[result].inc(),
            self._fallbacks.labels(route).inc,
            self._hedges.labels(route).inc,
        )

    def _drop_route(self, name: str) -> None:
        self._requests.remove_by_labels({labels.ROUTE: name})
        self._fallbacks.remove_by_labels({labels.ROUTE: name})
        self._hedges.remove_by_labels({labels.ROUTE: name})


def _as_number(is_true: Callable[[], bool]) -> Callable[[], float]:
    return lambda: float(is_true())
