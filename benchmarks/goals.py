"""The performance goals of tokenwire."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.figures import Run

TOKENWIRE = "tokenwire"
FULL = "tokenwire-callers"
"""The server with everything on, to which the goals apply."""


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

    def most(text: str, figure: float | None, limit: float, form: str) -> Goal:
        return Goal(text.format(f"at most {limit:g}"), figure, limit, form)

    def least(text: str, figure: float | None, limit: float, form: str) -> Goal:
        return Goal(text.format(f"at least {limit:g}"), figure, limit, form, upper=False)

    def ours(scenario: str, name: str) -> float | None:
        return run.median(scenario, FULL, name)

    def times(scenario: str, name: str, other: str) -> float | None:
        return ratio(run, scenario, name, other, FULL)

    cost = "cpu_us_per_token"
    yield most("burst: {} µs a token", ours("burst", cost), 1.5, "{:.1f} µs")
    for other, saving in (("article", 50), ("litellm", 90)):
        share = times("burst", cost, other)
        less = 1 / share if share else None
        yield least(f"burst: {{}} x less CPU than {other}", less, saving, "{:.0f} x less")
    scattered = times("scattered", cost, "floor")
    yield most("scattered: {} x the CPU of floor", scattered, 1.4, "{:.2f} x")
    percall = times("percall", "cpu_us_per_call", "floor")
    yield most("percall: {} x the CPU of floor", percall, 2.2, "{:.2f} x")
    for share_of, limit in (("p50", 600), ("p99", 1_500)):
        first = ours("crowd", f"first_token_{share_of}_ms")
        yield most(f"crowd: first token, {share_of} {{}} ms", first, limit, "{:.0f} ms")
    in_time = ours("crowd", "in_time_percent")
    yield least("crowd: {} % of all tokens in time", in_time, 95, "{:.0f} %")
    late = ours("crowd", "running_late_max_ms")
    yield most("crowd: running streams late by {} ms", late, 300, "{:.0f} ms")
    yield least("carried: {} % in time", ours("carried", "in_time_percent"), 80, "{:.0f} %")
    yield least("carried: Jain index {}", ours("carried", "jain"), 0.95, "{:.3f}")
    for share_of, limit_ms in (("p50", 0.6), ("p99", 1.5)):
        added = ours("ttft", f"added_{share_of}_ms")
        yield most(f"time to first token: {share_of} {{}} ms more", added, limit_ms, "{:.2f} ms")
    yield most("memory: {} MB idle", ours("parked", "unused_mb"), 110, "{:.0f} MB")
    for scenario, who, kilobytes in (
        ("parked", "upstream pauses", 40),
        ("unread", "reader stops", 100),
    ):
        text = f"memory: {{}} kB for a stream whose {who}"
        yield most(text, ours(scenario, "kb_per_stream"), kilobytes, "{:.1f} kB")
    text = "an answer of 64,000 tokens blocks the event loop for {} ms"
    yield most(text, ours("blocked", "block_ms"), 5, "{:.1f} ms")


def ratio(run: Run, scenario: str, name: str, other: str, server: str = TOKENWIRE) -> float | None:
    """Return a server's figure divided by that of `other`, or None if either is missing."""
    ours = run.median(scenario, server, name)
    theirs = run.median(scenario, other, name)
    return ours / theirs if ours is not None and theirs else None
