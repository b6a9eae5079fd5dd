"""A breaker opens and closes exactly as its module says, by a clock of the test's own."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.routing.breaker import (
    FAILURES_IN_A_ROW,
    JITTER,
    MAX_OPEN_SECONDS,
    MIN_WINDOW_CALLS,
    WINDOW_SECONDS,
    Breaker,
    BreakerState,
    Pass,
)

CLOSED, OPEN, PROBING = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.PROBING


@dataclass
class Bench:
    """A breaker, its clock, and what it told of its changes."""

    now: float = 1_000.0
    changes: list[tuple[BreakerState, BreakerState]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breaker = Breaker(
            lambda: self.now, lambda breaker, before: self.changes.append((before, breaker.state))
        )

    def admit(self) -> Pass:
        """Let a request through."""
        found = self.breaker.admit()
        assert found
        return found

    def fail(self, times: int = 1) -> None:
        """Let requests fail, one after the other."""
        for _ in range(times):
            self.admit().fail()

    def open(self) -> None:
        """Open the breaker."""
        self.fail(FAILURES_IN_A_ROW)
        assert self.breaker.state is OPEN

    def pass_open_time(self) -> float:
        """Let the open time pass; return it."""
        seconds = self.breaker.seconds_open
        self.now += seconds
        return seconds


@pytest.fixture
def bench() -> Bench:
    """Return a closed breaker."""
    return Bench()


def test_it_opens_after_failures_in_a_row(bench: Bench) -> None:
    """Four failures leave it closed, the fifth opens it, and then nothing passes."""
    bench.fail(FAILURES_IN_A_ROW - 1)
    assert bench.breaker.state is CLOSED
    bench.fail()
    assert bench.breaker.state is OPEN
    assert bench.breaker.admit() is None
    assert bench.changes == [(CLOSED, OPEN)]


def test_a_success_begins_the_row_anew(bench: Bench) -> None:
    """Failures with a success in between do not add up."""
    for _ in range(3):
        bench.fail(FAILURES_IN_A_ROW - 1)
        bench.admit().succeed()
    assert bench.breaker.state is CLOSED


def test_it_opens_when_half_of_many_requests_failed(bench: Bench) -> None:
    """Of twenty requests within ten seconds, the tenth failure opens it."""
    for _ in range(MIN_WINDOW_CALLS // 2 - 1):
        bench.admit().succeed()
        bench.fail()
        bench.now += 0.5
    bench.admit().succeed()
    assert bench.breaker.state is CLOSED
    bench.fail()
    assert bench.breaker.state is OPEN


def test_failures_are_forgotten(bench: Bench) -> None:
    """Requests that ended more than ten seconds ago do not count."""
    for _ in range(MIN_WINDOW_CALLS):
        bench.admit().succeed()
        bench.fail()
        # Fewer than MIN_WINDOW_CALLS within the window.
        bench.now += WINDOW_SECONDS / 8
    assert bench.breaker.state is CLOSED


def test_an_answer_that_breaks_off_counts_as_both(bench: Bench) -> None:
    """An upstream whose answers all break off has half of its outcomes failed, and opens."""
    for _ in range(MIN_WINDOW_CALLS // 2):
        assert bench.breaker.state is CLOSED
        request = bench.admit()
        request.succeed()
        request.fail()
    assert bench.breaker.state is OPEN


def test_one_request_probes(bench: Bench) -> None:
    """After the open time one request passes; all others wait for its outcome."""
    bench.open()
    bench.now += bench.breaker.seconds_open - 0.001
    assert bench.breaker.admit() is None
    bench.now += 0.001
    probe = bench.admit()
    assert bench.breaker.state is PROBING
    assert bench.breaker.admit() is None
    probe.succeed()
    assert bench.breaker.state is CLOSED
    assert bench.breaker.admit()
    assert bench.changes == [(CLOSED, OPEN), (OPEN, PROBING), (PROBING, CLOSED)]


def test_failed_probes_double_the_time(bench: Bench) -> None:
    """The open time is 1, 2, 4 ... seconds and at most the maximum, each with its jitter."""
    bench.open()
    expected = 1.0
    for _ in range(10):
        seconds = bench.pass_open_time()
        assert expected <= seconds + 1e-9
        assert seconds <= expected * (1 + JITTER) + 1e-9
        bench.admit().fail()
        expected = min(expected * 2, MAX_OPEN_SECONDS)
    bench.pass_open_time()
    bench.admit().succeed()
    bench.open()
    assert bench.breaker.seconds_open <= 1 + JITTER


def test_the_upstreams_wish_is_the_open_time(bench: Bench) -> None:
    """It opens at once for as long as the upstream asks, but never longer than the maximum."""
    bench.admit().fail(30.0, at_once=True)
    assert 30 <= bench.pass_open_time() <= 30 * (1 + JITTER)
    bench.admit().fail(86_400.0, at_once=True)
    assert bench.breaker.seconds_open <= MAX_OPEN_SECONDS * (1 + JITTER)


def test_a_probe_without_an_outcome(bench: Bench) -> None:
    """If the caller of the probe leaves, the next request probes, at once."""
    bench.open()
    bench.pass_open_time()
    bench.admit().release()
    assert bench.breaker.state is OPEN
    bench.admit().succeed()
    assert bench.breaker.state is CLOSED


@pytest.mark.parametrize("end", [Pass.succeed, Pass.fail, Pass.release])
def test_outcomes_of_earlier_requests_do_not_count(
    bench: Bench, end: Callable[[Pass], None]
) -> None:
    """A request from before the opening neither closes nor opens it, and decides no probe."""
    early = bench.admit()
    bench.open()
    end(early)
    assert bench.breaker.state is OPEN
    bench.pass_open_time()
    probe = bench.admit()
    end(early)
    assert bench.breaker.state is PROBING
    probe.succeed()
    bench.fail(FAILURES_IN_A_ROW - 1)
    early.fail()
    assert bench.breaker.state is CLOSED


ENDS = st.sampled_from(["succeed", "fail", "release", "break off", "reject"])


@given(st.lists(st.tuples(ENDS, st.floats(0, 5), st.integers(0, 3)), max_size=200))
def test_it_always_comes_back(steps: list[tuple[str, float, int]]) -> None:
    """Whatever happened, at most the longest open time later a success closes it."""
    bench = Bench()
    running: list[Pass] = []
    for end, wait, index in steps:
        bench.now += wait
        if request := bench.breaker.admit():
            running.append(request)
        if len(running) > index:
            request = running.pop(index)
            match end:
                case "break off":
                    request.succeed()
                    request.fail()
                case "reject":
                    request.fail(10.0, at_once=True)
                case _:
                    getattr(request, end)()
        assert bench.breaker.seconds_open <= MAX_OPEN_SECONDS * (1 + JITTER)
    for request in running:
        request.release()
    bench.now += MAX_OPEN_SECONDS * (1 + JITTER)
    bench.admit().succeed()
    assert bench.breaker.state is CLOSED


@given(st.lists(st.booleans(), max_size=300))
def test_it_opens_exactly_as_told(outcomes: list[bool]) -> None:
    """It opens at the fifth failure in a row, or when half of twenty or more failed; never else."""
    bench = Bench()
    in_a_row = ended = failed = 0
    for succeeds in outcomes:
        request = bench.breaker.admit()
        assert request
        ended += 1
        if succeeds:
            request.succeed()
            in_a_row = 0
            continue
        request.fail()
        in_a_row += 1
        failed += 1
        opens = in_a_row >= FAILURES_IN_A_ROW or (ended >= MIN_WINDOW_CALLS and failed * 2 >= ended)
        assert (bench.breaker.state is OPEN) is opens
        if opens:
            return
