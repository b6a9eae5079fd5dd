"""The metrics of all workers, each series with the number of its worker."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from tokenwire.observability.logs.handler import LINES_DROPPED
from tokenwire.observability.metrics_server import PortMetrics
from tokenwire.workers.scraping import scrape
from tokenwire.workers.worker import Worker

LABEL: Final = "worker"
SUPERVISOR: Final = "supervisor"
"""In the place of a number, for the metrics of the supervisor's own process."""


class WorkersCollector(Collector):
    """Reads the workers' metrics whenever it is read itself.

    Nothing is added up: a sum over the label is the whole, and a worker that
    starts anew begins at 0, as Prometheus expects of a counter.

    Args:
        workers: Those whose metrics are shown.

    Attributes:
        registry: Shows the metrics of all.
        port: Those of the supervisor's own metrics port.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._own = CollectorRegistry()
        ProcessCollector(registry=self._own)
        self.port = PortMetrics(self._own)
        # The workers' names are known only once they are read.
        self.registry = CollectorRegistry(support_collectors_without_names=True)
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all workers that answer, and which ones do."""
        up, restarts = own_metrics()
        families: dict[str, Metric] = {}
        for worker, found in zip(self._workers, scrape(self._workers), strict=True):
            number = str(worker.number)
            up.add_metric([number], 1 if found else 0)
            restarts.add_metric([number], worker.restarts)
            _add(families, found, number)
        _add(families, self._own.collect(), SUPERVISOR)
        _add(families, LINES_DROPPED.collect(), SUPERVISOR)
        yield from (up, restarts, *families.values())


def own_metrics() -> tuple[GaugeMetricFamily, CounterMetricFamily]:
    """Return what the supervisor itself tells of its workers, still without values."""
    return (
        GaugeMetricFamily(
            "tokenwire_worker_up", "Whether the worker serves: 1, or 0.", labels=[LABEL]
        ),
        CounterMetricFamily(
            "tokenwire_worker_restarts", "How often the worker was replaced.", labels=[LABEL]
        ),
    )


def _add(families: dict[str, Metric], found: Iterable[Metric], worker: str) -> None:
    for metric in found:
        family = families.setdefault(
            metric.name, Metric(metric.name, metric.documentation, metric.type, metric.unit)
        )
        if family.type != metric.type:
            # It cannot be written; the family that is there already can.
            continue
        family.samples += [
            sample._replace(labels={**sample.labels, LABEL: worker}) for sample in metric.samples
        ]
