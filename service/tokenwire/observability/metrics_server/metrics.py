"""The metrics of the metrics port itself."""

from typing import Final

from prometheus_client import CollectorRegistry

from tokenwire.observability.prometheus_values import Counter, Gauge

LIMIT: Final = "limit"
"""The limit of connections was reached."""
TIMEOUT: Final = "timeout"
"""The peer did not send its request, or did not read the response, in time."""
REASONS: Final = (LIMIT, TIMEOUT)


class PortMetrics:
    """The metrics of one metrics port.

    Args:
        registry: The registry to add the metrics to.
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
