"""The soak command runs, and distinguishes growing memory from fluctuating memory."""

import sys

import pytest

from soak.readings import Measurement, memory_growth
from support.programs import run

pytestmark = pytest.mark.slow


def readings(megabytes: list[float]) -> list[Measurement]:
    """Return one reading per thousand calls."""
    return [Measurement(1_000 * index, mb, 0, 0, 0) for index, mb in enumerate(megabytes)]


def test_memory_that_climbs_is_seen() -> None:
    """Growth of 0.5 MB per thousand calls is measured as 5 MB per ten thousand, despite peaks."""
    noise = [0.0, 7.0, 0.0, 3.0]
    climbing = readings([100 + index / 2 + noise[index % 4] for index in range(48)])
    assert 4.5 < memory_growth(climbing) < 5.5


def test_peaks_are_no_climb() -> None:
    """Memory that rises and falls is not reported as growth."""
    assert memory_growth(readings([100.0, 130.0, 100.0, 120.0] * 12)) == 0


async def test_a_short_soak_runs() -> None:
    """The command makes its calls, prints its readings and finds no undocumented outcome."""
    done = await run(sys.executable, "-m", "soak", "--minutes", "0.05", "--at-once", "5")
    assert "RSS MB" in done.stdout
    assert "memory growth:" in done.stdout
    # Memory still settles in the first three seconds, so only failed calls count.
    assert "PROBLEM: scenario" not in done.stdout, done.stdout
    assert "left when idle" not in done.stdout
