"""The goals that tokenwire is held to."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.figures import Run

OURS = "tokenwire"


@dataclass(frozen=True)
class Goal:
    """A goal beside the figure.

    Attributes:
        text: What is asked for.
        found: The figure, or None where it was not measured.
        limit: What the figure is held to.
        shown: How the figure is written.
        upper: Whether the limit is the most that is allowed, or the least.
    """

    text: str
    found: float | None
    limit: float
    shown: str
    upper: bool = True

    @property
    def figure(self) -> str:
        """The figure as it is written."""
        return "-" if self.found is None else self.shown.format(self.found)

    @property
    def verdict(self) -> str:
        """How it stands."""
        if self.found is None:
            return "not measured"
        met = self.found <= self.limit if self.upper else self.found >= self.limit
        return "met" if met else "missed"


def goals(run: Run) -> Iterator[Goal]:
    """Hold a run's figures to the goals."""
    yield _cpu(run, "burst", "nginx", 1.3)
    yield _saving(run, "article", 50)
    yield _saving(run, "litellm", 90)
    yield _cpu(run, "paced", "floor", 1.6)

    def ours(scenario: str, name: str) -> float | None:
        return run.median(scenario, OURS, name)

    in_time = ours("carried", "in_time_percent")
    yield Goal("carried: at least 80 % in time", in_time, 80, "{:.0f} %", upper=False)
    jain = ours("carried", "jain")
    yield Goal("carried: Jain index at least 0.95", jain, 0.95, "{:.3f}", upper=False)
    for share, limit in (("p50", 1), ("p99", 3)):
        text = f"time to first token: {share} at most {limit} ms more"
        yield Goal(text, ours("ttft", f"added_{share}_ms"), limit, "{:.2f} ms")
    yield Goal("memory: at most 120 MB idle", ours("parked", "unused_mb"), 120, "{:.0f} MB")
    for scenario, who in (("parked", "upstream pauses"), ("unread", "reader stops")):
        text = f"memory: at most 30 kB for a stream whose {who}"
        yield Goal(text, ours(scenario, "kb_per_stream"), 30, "{:.1f} kB")
    text = "an answer of 64,000 tokens blocks the event loop for at most 5 ms"
    yield Goal(text, ours("blocked", "block_ms"), 5, "{:.1f} ms")


def ratio(run: Run, scenario: str, name: str, other: str) -> float | None:
    """Return how many times as much as `other` tokenwire takes."""
    ours = run.median(scenario, OURS, name)
    theirs = run.median(scenario, other, name)
    return ours / theirs if ours is not None and theirs else None


def _cpu(run: Run, scenario: str, other: str, most: float) -> Goal:
    text = f"{scenario}: at most {most:g} x the CPU of {other}"
    return Goal(text, ratio(run, scenario, "cpu_us_per_token", other), most, "{:.2f} x")


def _saving(run: Run, other: str, least: float) -> Goal:
    share = ratio(run, "burst", "cpu_us_per_token", other)
    text = f"burst: at least {least:g} x less CPU than {other}"
    return Goal(text, 1 / share if share else None, least, "{:.0f} x less", upper=False)
