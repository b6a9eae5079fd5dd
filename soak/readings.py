"""Measures the server by its own metrics, and the growth of its memory."""

import itertools
import re
import statistics
from dataclasses import dataclass

import aiohttp


@dataclass(frozen=True)
class Measurement:
    """The state of the server after a number of calls.

    Attributes:
        calls: The number of calls so far.
        rss_mb: The resident memory, in MB.
        tasks: The number of tasks of the event loop.
        descriptors: The number of open file descriptors.
        in_flight: The number of streams in flight.
    """

    calls: int
    rss_mb: float
    tasks: float
    descriptors: float
    in_flight: float


async def measure(metrics_address: str, calls: int) -> Measurement:
    """Scrape the server's metrics.

    Args:
        metrics_address: HOST:PORT of the metrics.
        calls: The number of calls so far.
    """
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{metrics_address}/metrics") as response,
    ):
        metrics = await response.text()

    def value(name: str) -> float:
        match = re.search(rf"(?m)^{name} (\S+)$", metrics)
        assert match, f"the server has no metric {name}"  # noqa: S101 - fails the run with a message
        return float(match[1])

    return Measurement(
        calls=calls,
        rss_mb=value("process_resident_memory_bytes") / 1e6,
        tasks=value("tokenwire_event_loop_tasks"),
        descriptors=value("process_open_fds"),
        in_flight=value("tokenwire_streams_in_flight"),
    )


def memory_growth(measurements: list[Measurement]) -> float:
    """Return the growth of resident memory in MB per 10,000 calls.

    The result is the Theil-Sen estimator: the median slope of all pairs of measurements, which
    is robust against outliers.
    """
    slopes = [
        (later.rss_mb - earlier.rss_mb) / (later.calls - earlier.calls) * 10_000
        for earlier, later in itertools.combinations(measurements, 2)
        if later.calls > earlier.calls
    ]
    return statistics.median(slopes) if slopes else 0.0
