"""Metrics that are exported only for some of the time."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase


class OptionalMetrics:
    """Adds metrics to a registry, and removes them. They keep their values in between.

    Args:
        registry: The registry.
        metrics: The metrics, which are in no registry.
    """

    def __init__(self, registry: CollectorRegistry, metrics: Iterable[MetricWrapperBase]) -> None:
        self._registry = registry
        self._metrics = tuple(metrics)
        self._exported = False

    def export(self, *, wanted: bool) -> None:
        """Add the metrics to the registry, or remove them."""
        if wanted is self._exported:
            return
        self._exported = wanted
        change = self._registry.register if wanted else self._registry.unregister
        for metric in self._metrics:
            change(metric)
