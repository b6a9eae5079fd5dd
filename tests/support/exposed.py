"""The metrics of the metrics endpoint, parsed by Prometheus' own client."""

from collections.abc import Mapping
from typing import TypeAlias

import httpx2
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Exemplar

from tokenwire.app import App

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"

OF_THE_PROCESS = ("process", "python", "tokenwire_log_lines_dropped")
"""Counters that all servers of a process share, and therefore all tests."""

Series: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""A name and its labels, in alphabetical order."""


def series(name: str, **labels: str) -> Series:
    return name, tuple(sorted(labels.items()))


class Exposed:
    """All metrics at one moment.

    Attributes:
        values: The value of every sample.
        exemplars: The exemplars of the buckets that have one.
    """

    def __init__(self, families: list[Metric]) -> None:
        samples = [sample for family in families for sample in family.samples]
        self.values = {series(each.name, **each.labels): each.value for each in samples}
        self.exemplars: dict[Series, Exemplar] = {
            series(each.name, **each.labels): each.exemplar for each in samples if each.exemplar
        }

    def value(self, name: str, **labels: str) -> float:
        """Return the value of one series."""
        return self.values[series(name, **labels)]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of all series with this name and these labels."""
        return sum(
            value
            for (each, its), value in self.values.items()
            if each == name and labels.items() <= dict(its).items()
        )

    def counted(self) -> Mapping[Series, float]:
        """Return the service's counters that are not 0."""
        return {
            key: value
            for key, value in self.values.items()
            if value and key[0].endswith("_total") and not key[0].startswith(OF_THE_PROCESS)
        }


async def read(app: App, accept: str = "text/plain") -> Exposed:
    """Read the metrics like Prometheus does."""
    async with httpx2.AsyncClient() as client:
        response = await client.get(
            f"http://{app.metrics_address}/metrics", headers={"accept": accept}
        )
    is_open = response.headers["content-type"].startswith("application/openmetrics-text")
    assert is_open is (accept == OPEN_METRICS)
    parse = open_metrics if is_open else text_string_to_metric_families
    return Exposed(list(parse(response.text)))
