"""What the server's own metrics say of it, and whether its memory climbs."""

import itertools
import re
import statistics
from dataclasses import dataclass

import aiohttp


@dataclass(frozen=True)
class Reading:
    """The server at one moment, after so many calls."""

    calls: int
    rss_mb: float
    tasks: float
    descriptors: float
    in_flight: float


async def measure(metrics_address: str, calls: int) -> Reading:
    """Read the server's metrics, which are those of /proc for its process."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{metrics_address}/metrics") as response,
    ):
        metrics = await response.text()

    def value(name: str) -> float:
        match = re.search(rf"(?m)^{name} (\S+)$", metrics)
        assert match, f"the server has no metric {name}"  # noqa: S101 - checked for the reader
        return float(match[1])

    return Reading(
        calls=calls,
        rss_mb=value("process_resident_memory_bytes") / 1e6,
        tasks=value("tokenwire_event_loop_tasks"),
        descriptors=value("process_open_fds"),
        in_flight=value("tokenwire_streams_in_flight"),
    )


def climb(readings: list[Reading]) -> float:
    """Return the megabytes by which memory grows with each 10,000 calls.

    It is the Theil-Sen estimator, the median slope of all pairs of readings, which
    a few outliers do not move.
    """
    slopes = [
        (later.rss_mb - earlier.rss_mb) / (later.calls - earlier.calls) * 10_000
        for earlier, later in itertools.combinations(readings, 2)
        if later.calls > earlier.calls
    ]
    return statistics.median(slopes) if slopes else 0.0
