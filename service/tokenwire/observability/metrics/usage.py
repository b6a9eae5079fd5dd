"""The metrics of usage records."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from tokenwire.observability.metrics import labels
from tokenwire.observability.metrics.labels import UsageLossReason
from tokenwire.observability.prometheus_values import Counter, Gauge


class UsageMetrics:
    """What became of the usage records. Any thread may change them.

    Args:
        registry: The registry to add the metrics to.

    Attributes:
        written: Counts the records that the disk has.
        failures: Counts the writes that failed.
        lost: Count the records that were lost, by reason.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._queued = Gauge(
            "tokenwire_usage_records_queued",
            "With `TOKENWIRE_USAGE_FILE`: usage records that the disk does not have yet.",
            registry=registry,
        )
        self.written = Counter(
            "tokenwire_usage_records_written",
            "With `TOKENWIRE_USAGE_FILE`: usage records that the disk has.",
            registry=registry,
        )
        self.failures = Counter(
            "tokenwire_usage_write_failures",
            "With `TOKENWIRE_USAGE_FILE`: attempts to write usage records that failed. The records "
            "are kept and tried again.",
            registry=registry,
        )
        lost = Counter(
            "tokenwire_usage_records_lost",
            "With `TOKENWIRE_USAGE_FILE`: usage records that were lost, by reason.",
            (labels.REASON,),
            registry=registry,
        )
        self.lost = {reason: lost.labels(reason.value) for reason in UsageLossReason}

    def watch_queue(self, queued: Callable[[], int]) -> None:
        """Export the number of queued records, read at each scrape."""
        self._queued.set_function(queued)
