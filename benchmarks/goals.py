"""The performance goals of tokenwire."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.figures import Run

TOKENWIRE = "tokenwire"


@dataclass(frozen=True)
class Goal:
    """A goal and its measured figure.

    Attributes:
        text: The goal as text.
        measured: The figure; None if it was not measured.
        limit: The limit of the figure.
        form: The format string of the figure.
        upper: Whether the limit is an upper limit instead of a lower one.
    """

    text: str
    measured: float | None
    limit: float
    form: str
    upper: bool = True

    @property
    def figure(self) -> str:
        """The formatted figure."""
        return "-" if self.measured is None else self.form.format(self.measured)

    @property
    def verdict(self) -> str:
        """Whether the goal is met, as text."""
        if self.measured is None:
            return "not measured"
        met = self.measured <= self.limit if self.upper else self.measured >= self.limit
        return "met" if met else "missed"


def goals(run: Run) -> Iterator[Goal]:
    """Yield each goal with the figure of a run."""
    yield _cpu(run, "burst", "nginx", 1.3)
    yield _saving(run, "article", 50)
    yield _saving(run, "litellm", 90)
    yield _cpu(run, "paced", "floor", 1.6)

    def ours(scenario: str, name: str) -> float | None:
        return run.median(scenario, TOKENWIRE, name)

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
    """Return tokenwire's figure divided by that of `other`, or None if either is missing."""
    ours = run.median(scenario, TOKENWIRE, name)
    theirs = run.median(scenario, other, name)
    return ours / theirs if ours is not None and theirs else None


def _cpu(run: Run, scenario: str, other: str, most: float) -> Goal:
    text = f"{scenario}: at most {most:g} x the CPU of {other}"
    return Goal(text, ratio(run, scenario, "cpu_us_per_token", other), most, "{:.2f} x")


def _saving(run: Run, other: str, least: float) -> Goal:
    share = ratio(run, "burst", "cpu_us_per_token", other)
    text = f"burst: at least {least:g} x less CPU than {other}"
    return Goal(text, 1 / share if share else None, least, "{:.0f} x less", upper=False)
