"""The metrics of the store that counts callers' limits for several processes."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry

from tokenwire.observability.metrics import buckets, labels
from tokenwire.observability.metrics.labels import StoreFailureCause
from tokenwire.observability.metrics.optional import OptionalMetrics
from tokenwire.observability.prometheus_values import Counter, Gauge, Histogram

WITH_STORE: Final = "With a store of limits: "


class LimitStoreMetrics:
    """How the store of limits answers. The metrics are exported only while there is a store.

    Args:
        registry: The registry to add the metrics to.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._up = Gauge(
            "tokenwire_limit_store_up",
            f"{WITH_STORE}1 if it answered the last request, 0 while it is away.",
            registry=None,
        )
        self._seconds = Histogram(
            "tokenwire_limit_store_request_seconds",
            f"{WITH_STORE}time of the requests that it answered. Each may have the state of many "
            "leases.",
            buckets=buckets.LIMIT_STORE,
            registry=None,
        )
        failures = Counter(
            "tokenwire_limit_store_failures",
            f"{WITH_STORE}requests that it did not answer as it should, by cause. They are sent "
            "again.",
            (labels.CAUSE,),
            registry=None,
        )
        self._failures = {cause: failures.labels(cause.value) for cause in StoreFailureCause}
        self._waiting = Gauge(
            "tokenwire_limit_updates_waiting",
            f"{WITH_STORE}leases whose state it does not know yet.",
            registry=None,
        )
        self._beginning = Gauge(
            "tokenwire_limit_calls_waiting",
            f"{WITH_STORE}calls that wait for it before they begin. The limits of concurrent calls "
            "bound their number.",
            registry=None,
        )
        self._lost = Counter(
            "tokenwire_limit_updates_lost",
            f"{WITH_STORE}leases that were forgotten before it had their last state, because too "
            "many waited or it stayed away until the end. What these calls used is missing in its "
            "counts.",
            registry=None,
        )
        self._exported = OptionalMetrics(
            registry,
            (self._up, self._seconds, failures, self._waiting, self._beginning, self._lost),
        )

    def watch(
        self, is_up: Callable[[], bool], unsent: Callable[[], int], beginning: Callable[[], int]
    ) -> None:
        """Export the state of the store and of what waits for it, read at each scrape.

        Args:
            is_up: Returns whether the store answered the last request.
            unsent: Returns the number of leases whose state it does not know yet.
            beginning: Returns the number of calls that wait for it before they begin.
        """
        self._up.set_function(lambda: float(is_up()))
        self._waiting.set_function(unsent)
        self._beginning.set_function(beginning)

    def export(self, *, wanted: bool) -> None:
        """Export the metrics, or do not."""
        self._exported.export(wanted=wanted)

    def observe(self, seconds: float, cause: StoreFailureCause | None) -> None:
        """Record a request to the store: its seconds, and why it failed if it did."""
        if cause:
            self._failures[cause].inc()
        else:
            self._seconds.observe(seconds)

    def count_lost(self) -> None:
        """Count a lease that was forgotten before the store had its last state."""
        self._lost.inc()
