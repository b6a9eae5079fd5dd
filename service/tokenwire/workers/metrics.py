"""The metrics of all workers, each series with the number of its worker."""

import http.client
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from tokenwire.log_handler import LINES_DROPPED
from tokenwire.workers.worker import Worker

LABEL: Final = "worker"
SUPERVISOR: Final = "supervisor"
"""In the place of a number, for the metrics of the supervisor's own process."""
SCRAPE_SECONDS: Final = 4.0
"""How long a worker may take to answer; Prometheus gives us ten seconds for all."""
OPENMETRICS: Final = {"Accept": "application/openmetrics-text; version=1.0.0"}


class WorkersCollector(Collector):
    """Reads the workers' metrics whenever it is read itself.

    Nothing is added up: a sum over the label is the whole, and a worker that
    starts anew begins at 0, as Prometheus expects of a counter.

    Args:
        workers: Those whose metrics are shown.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._own = ProcessCollector(registry=None)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all workers that answer, and which ones do."""
        up, restarts = own_metrics()
        families: dict[str, Metric] = {}
        with ThreadPoolExecutor(len(self._workers)) as pool:
            scraped = list(pool.map(_scrape, self._workers))
        for worker, found in zip(self._workers, scraped, strict=True):
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


def registry_of(workers: Sequence[Worker]) -> CollectorRegistry:
    """Return a registry of the metrics of all workers."""
    # Their names are known only once they are read.
    registry = CollectorRegistry(support_collectors_without_names=True)
    registry.register(WorkersCollector(workers))
    return registry


def _scrape(worker: Worker) -> list[Metric]:
    """Return what a worker tells, or nothing if it tells nothing in time."""
    address = worker.metrics_address
    if not address:
        return []
    connection = http.client.HTTPConnection(address, timeout=SCRAPE_SECONDS)
    try:
        connection.request("GET", "/metrics", headers=OPENMETRICS)
        text = connection.getresponse().read().decode()
        return list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call] # has no types
    except (OSError, http.client.HTTPException):
        # It has ended just now, or does not answer; the series of others must not suffer.
        return []
    finally:
        connection.close()


def _add(families: dict[str, Metric], found: Iterable[Metric], worker: str) -> None:
    for metric in found:
        family = families.setdefault(
            metric.name, Metric(metric.name, metric.documentation, metric.type, metric.unit)
        )
        family.samples += [
            sample._replace(labels={**sample.labels, LABEL: worker}) for sample in metric.samples
        ]
