"""The metrics of callers' limits."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry

from tokenwire.core import errors
from tokenwire.core.call_record import CallRecord
from tokenwire.core.limits import STREAMS, CallerLimits, Unit, Window
from tokenwire.observability.metrics import labels
from tokenwire.observability.metrics.optional import OptionalMetrics
from tokenwire.observability.metrics.removed_names import RemovedNames
from tokenwire.observability.prometheus_values import Counter, Gauge

Used: TypeAlias = Callable[[str, CallerLimits], Mapping[str, int]]
"""Returns what a caller has used of each of its limits, by the limit's name."""

WITH_LIMITS: Final = "With limits of callers: "
REASONS: Final = {
    Unit.REQUESTS: (errors.CallerRateLimited,),
    Unit.TOKENS: (errors.CallerRateLimited, errors.CallerBudgetExhausted),
    Unit.DOLLARS: (errors.CallerBudgetExhausted,),
}


class LimitMetrics:
    """What callers use of their limits. The labels are names of the gateway file, so are bounded.

    The metrics are exported only while a caller has limits.

    Args:
        registry: The registry to add the metrics to.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        limit = (labels.CALLER, labels.LIMIT)
        self._used_ratio = Gauge(
            "tokenwire_caller_limit_used_ratio",
            f"{WITH_LIMITS}what is used and reserved of a limit, as a share of it, as far as the "
            "process knows. Without a store each process counts for itself.",
            limit,
            registry=None,
        )
        self._rejections = Counter(
            "tokenwire_caller_limit_rejections",
            f"{WITH_LIMITS}calls that a limit rejected or, with the reason "
            "`CALLER_BUDGET_EXHAUSTED`, ended during their answer.",
            (*limit, labels.REASON),
            registry=None,
        )
        self._leases = Gauge(
            "tokenwire_limit_leases",
            f"{WITH_LIMITS}running calls that count against limits.",
            registry=None,
        )
        self._exported = OptionalMetrics(
            registry, (self._used_ratio, self._rejections, self._leases)
        )
        self._limits: set[tuple[str, str]] = set()
        self._callers: set[str] = set()
        self._removed = RemovedNames(self._drop)

    def watch(self, leases: Callable[[], int]) -> None:
        """Export the number of leases, read at each scrape."""
        self._leases.set_function(leases)

    def set_callers(self, limits: Mapping[str, CallerLimits], used: Used) -> None:
        """Set the callers that have limits; the counters of one that is removed are kept a while.

        Args:
            limits: The limits by the caller's name.
            used: Called at each scrape, from any thread, for each limit alone.
        """
        present = {(caller, name) for caller, its in limits.items() for name in its.names}
        for caller, name in self._limits - present:
            self._used_ratio.remove(caller, name)
        for caller, its in limits.items():
            if its.streams is not None:
                self._rejections.labels(caller, STREAMS, errors.CallerTooManyStreams.reason)
                alone = CallerLimits(its.streams)
                self._watch_limit(caller, STREAMS, its.streams, partial(used, caller, alone))
            for window in its.windows:
                self._add_window(caller, window, used)
        self._removed.update(self._callers - limits.keys(), limits)
        self._limits, self._callers = present, {*limits}
        self._exported.export(wanted=bool(limits))

    def observe(self, call: CallRecord) -> None:
        """Count a call that has ended, if a limit of its caller ended it."""
        if call.caller and call.limit:
            self._rejections.labels(call.caller.name, call.limit, call.reason).inc()

    def _add_window(self, caller: str, window: Window, used: Used) -> None:
        for kind in REASONS[window.unit]:
            self._rejections.labels(caller, window.name, kind.reason)
        alone = CallerLimits(windows=(window,))
        self._watch_limit(caller, window.name, window.amount, partial(used, caller, alone))

    def _watch_limit(
        self, caller: str, name: str, amount: int, used: Callable[[], Mapping[str, int]]
    ) -> None:
        self._used_ratio.labels(caller, name).set_function(lambda: used().get(name, 0) / amount)

    def _drop(self, caller: str) -> None:
        self._rejections.remove_by_labels({labels.CALLER: caller})
