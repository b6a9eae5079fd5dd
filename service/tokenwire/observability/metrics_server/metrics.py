"""What the metrics port tells of itself."""

from typing import Final

from prometheus_client import CollectorRegistry

from tokenwire.observability.prometheus_values import Counter, Gauge

LIMIT: Final = "limit"
"""A connection had to make room for another, or found none."""
TIMEOUT: Final = "timeout"
"""A peer was too slow to send its request or to read the response."""
REASONS: Final = (LIMIT, TIMEOUT)


class PortMetrics:
    """The metrics of one metrics port.

    Args:
        registry: Where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.connections = Gauge(
            "tokenwire_metrics_connections",
            "Open connections to the metrics port.",
            registry=registry,
        )
        dropped = Counter(
            "tokenwire_metrics_connections_dropped",
            "Connections to the metrics port that the service closed without a response: "
            "too many at once, or too slow.",
            ("reason",),
            registry=registry,
        )
        self.dropped = {reason: dropped.labels(reason) for reason in REASONS}
