"""The metrics of all workers, with the worker's number as a label of each series."""

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
"""The label value of the supervisor's own metrics."""


class WorkersCollector(Collector):
    """Scrapes the workers at each scrape of the supervisor.

    Series are not aggregated: the total is the sum over the label, and the counters of a
    restarted worker begin at 0, as Prometheus expects.

    Args:
        workers: The workers to scrape.

    Attributes:
        registry: The registry of all metrics.
        port: The metrics of the supervisor's metrics port.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._own = CollectorRegistry()
        ProcessCollector(registry=self._own)
        self.port = PortMetrics(self._own)
        # The names of the workers' metrics are unknown until the first scrape.
        self.registry = CollectorRegistry(support_collectors_without_names=True)
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the supervisor and of all workers that respond."""
        up, restarts = supervisor_metrics()
        families: dict[str, Metric] = {}
        for worker, found in zip(self._workers, scrape(self._workers), strict=True):
            number = str(worker.number)
            up.add_metric([number], 1 if found else 0)
            restarts.add_metric([number], worker.restarts)
            _add(families, found, number)
        _add(families, self._own.collect(), SUPERVISOR)
        _add(families, LINES_DROPPED.collect(), SUPERVISOR)
        yield from (up, restarts, *families.values())


def supervisor_metrics() -> tuple[GaugeMetricFamily, CounterMetricFamily]:
    """Return the supervisor's metrics about its workers, without samples."""
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
            # Two types of one name cannot be rendered; keep the family added first.
            continue
        family.samples += [
            sample._replace(labels={**sample.labels, LABEL: worker}) for sample in metric.samples
        ]
