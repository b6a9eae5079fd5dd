"""The metrics of the process, of which those of calls are in calls.py."""

import asyncio
from collections.abc import Callable, Collection, Iterable

from tokenwire.core.method import Method
from tokenwire.observability.metrics.callers import CallerMetrics
from tokenwire.observability.metrics.calls import CallMetrics
from tokenwire.observability.metrics.declarations import Declarations
from tokenwire.observability.metrics.issuers import IssuerMetrics
from tokenwire.observability.metrics.labels import SpanDropReason
from tokenwire.observability.metrics.limit_store import LimitStoreMetrics
from tokenwire.observability.metrics.limits import LimitMetrics
from tokenwire.observability.metrics.routes import RouteMetrics
from tokenwire.observability.metrics.tls import TlsMetrics
from tokenwire.observability.metrics.usage import UsageMetrics


class Metrics:
    """The metrics of the process.

    Args:
        methods: The methods that are served.
        endings: The status and reason of each possible failure of a call.
        models: See `CallMetrics.set_models`.
        provider: The provider's name in OpenTelemetry's conventions.
        priced: See `CallMetrics.set_models`.

    Attributes:
        registry: The registry of all metrics, for exposition.
        port: The metrics of the metrics port.
        calls: The metrics of calls.
    """

    def __init__(
        self,
        methods: Iterable[Method],
        endings: Iterable[tuple[str, str]],
        models: Collection[str],
        provider: str = "openai",
        priced: Collection[str] = (),
    ) -> None:
        declared = Declarations()
        self.registry = declared.registry
        self.port = declared.port
        self._declared = declared
        self.calls = CallMetrics(declared, methods, endings, provider)
        self.calls.set_models(models, priced)
        # Looked up now, so that every series exists at 0 before its first event.
        self._spans_dropped = {
            reason: declared.spans_dropped.labels(reason.value) for reason in SpanDropReason
        }

    def watch_tasks_of(self, loop: asyncio.AbstractEventLoop) -> None:
        """Export the number of tasks of `loop`, counted at each scrape."""
        self._declared.tasks.set_function(lambda: len(asyncio.all_tasks(loop)))

    def with_tls(self) -> TlsMetrics:
        """Add and return the metrics of TLS."""
        added = TlsMetrics(self.registry)
        self.calls.tls = added
        return added

    def with_callers(self) -> CallerMetrics:
        """Add and return the metrics of callers."""
        added = CallerMetrics(self.registry)
        self.calls.callers = added
        return added

    def with_limits(self) -> LimitMetrics:
        """Add and return the metrics of callers' limits."""
        added = LimitMetrics(self.registry)
        self.calls.limits = added
        return added

    def with_limit_store(self) -> LimitStoreMetrics:
        """Add and return the metrics of the store of limits."""
        return LimitStoreMetrics(self.registry)

    def with_usage(self) -> UsageMetrics:
        """Add and return the metrics of usage records."""
        return UsageMetrics(self.registry)

    def with_issuers(self) -> IssuerMetrics:
        """Add and return the metrics of token issuers."""
        return IssuerMetrics(self.registry)

    def with_routes(self) -> RouteMetrics:
        """Add and return the metrics of routes."""
        return RouteMetrics(self.registry)

    def set_limits(self, streams: int, queued: int, request_bytes: int) -> None:
        """Export the configured limits.

        Args:
            streams: The most concurrent answers.
            queued: The most calls that wait for a slot.
            request_bytes: The most bytes of all requests in flight.
        """
        self._declared.streams_limit.set(streams)
        self._declared.queue_limit.set(queued)
        self._declared.request_bytes_limit.set(request_bytes)

    def watch_load(
        self, in_flight: Callable[[], int], queued: Callable[[], int], held: Callable[[], int]
    ) -> None:
        """Export the current load, read at each scrape.

        Args:
            in_flight: Returns the number of answers being streamed.
            queued: Returns the number of calls that wait for a slot.
            held: Returns the total bytes of the requests of all calls.
        """
        self._declared.streams.set_function(in_flight)
        self._declared.queue.set_function(queued)
        self._declared.request_bytes.set_function(held)

    def set_watches(self, watches: int) -> None:
        """Set the number of open Watch calls of the health service."""
        self._declared.watches.set(watches)

    def set_reflection_streams(self, streams: int) -> None:
        """Set the number of open streams of the reflection service."""
        self._declared.reflection_streams.set(streams)

    def set_load_report_streams(self, streams: int) -> None:
        """Set the number of open streams of load reports."""
        self._declared.load_report_streams.set(streams)

    def watch_reserved(self, reserved: Callable[[], int]) -> None:
        """Export the number of slots reserved for connections or callers, read at each scrape."""
        self._declared.reserved.set_function(reserved)

    def observe_accept_wait(self, seconds: float) -> None:
        """Record the seconds that a call waited in gRPC before it was handed over."""
        self._declared.accept_wait.observe(seconds)

    def watch_held(self, incomplete: Callable[[], int], undelivered: Callable[[], int]) -> None:
        """Export the numbers of incomplete calls, read at each scrape.

        Args:
            incomplete: Returns the number of calls whose request message has not arrived.
            undelivered: Returns the number of calls whose status the client has not read.
        """
        self._declared.incomplete_requests.set_function(incomplete)
        self._declared.undelivered_statuses.set_function(undelivered)

    def count_reset(self, calls: int) -> None:
        """Count calls whose stream was reset because the client did not read the status."""
        self._declared.streams_reset.inc(calls)

    def set_draining(self) -> None:
        """Set the draining gauge to 1."""
        self._declared.draining.set(1)

    def observe_lag(self, seconds: float) -> None:
        """Record the lag of the event loop, in seconds."""
        self._declared.lag.observe(seconds)

    def count_dropped(self, spans: int, reason: SpanDropReason) -> None:
        """Count spans that were not exported; any thread may call this."""
        self._spans_dropped[reason].inc(spans)
