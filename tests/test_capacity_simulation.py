"""The simulated event loop agrees with what queueing theory says, and loses no token."""

import asyncio
import itertools
import random
import statistics

import pytest

from benchmarks.capacity.costs import Costs
from benchmarks.capacity.crowd import Crowd, predicted
from benchmarks.capacity.simulated_loop import SimulatedLoop, simulate
from benchmarks.capacity.simulation import SimulatedCall, run
from benchmarks.capacity.steady import saturating_streams, steady
from tokenwire.server.write_pacer import PAUSE_FACTOR

COSTS = Costs(call=1e-3, answer=50e-6, token=3e-6, wake=60e-6)
FREE = Costs(0.0, 0.0, 0.0, 0.0)


def test_the_clock_is_work_and_waiting() -> None:
    """The clock moves by what is spent and by the time until the next timer."""
    loop = SimulatedLoop()

    async def main() -> float:
        loop.spend(2.0)
        await asyncio.sleep(3.0)
        return loop.time()

    assert simulate(main(), loop) == pytest.approx(5.0)
    assert loop.busy == pytest.approx(2.0)
    assert loop.idle == pytest.approx(3.0)


def test_a_wait_without_an_end_is_an_error() -> None:
    """A simulation that waits for what never happens ends with an error instead of waiting."""

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="never happen"):
        simulate(main(), SimulatedLoop())


@pytest.mark.parametrize("utilisation", [0.3, 0.6, 0.8])
def test_calls_wait_as_pollaczek_and_khinchine_say(utilisation: float) -> None:
    """With Poisson arrivals and fixed work D, the mean wait is D U / (2 (1 - U)): M/D/1."""
    work = 1e-3
    chance = random.Random(7)  # noqa: S311 - repeatable, not for security
    gaps = (chance.expovariate(utilisation / work) for _ in range(8_000))
    calls = [SimulatedCall(begin, 1, 1.0) for begin in itertools.accumulate(gaps)]
    outcome = run(Costs(0.0, work, 0.0, 0.0), calls)
    waits = [(answer.first_token or 0.0) - work for answer in outcome.answers]
    expected = work * utilisation / (2 * (1 - utilisation))
    assert statistics.mean(waits) == pytest.approx(expected, rel=0.1)
    assert outcome.utilisation == pytest.approx(utilisation, rel=0.05)


@pytest.mark.parametrize("streams", [1, 40, 400])
def test_every_token_arrives_once_and_in_order(streams: int) -> None:
    """All tokens arrive, none before its time, and an Answer has at least one of them."""
    calls = [SimulatedCall(0.01 * index, 30, 50.0) for index in range(streams)]
    for answer in run(COSTS, calls).answers:
        assert len(answer.arrivals) == answer.call.tokens
        assert answer.arrivals == sorted(answer.arrivals)
        assert all(at >= answer.due(token) for token, at in enumerate(answer.arrivals))
        assert sorted(set(answer.arrivals)) == sorted(set(answer.messages))
        assert len(answer.messages) <= answer.call.tokens


def test_work_is_what_calls_answers_and_tokens_cost() -> None:
    """The loop is busy for the sum of all costs, whatever waits for what."""
    costs = Costs(call=1e-3, answer=50e-6, token=3e-6, wake=0.0)
    calls = [SimulatedCall(0.0, 100, 100.0) for _ in range(300)]
    outcome = run(costs, calls)
    messages = sum(len(answer.messages) for answer in outcome.answers)
    assert messages < 300 * 100
    assert outcome.busy == pytest.approx(300 * 1e-3 + messages * 50e-6 + 300 * 100 * 3e-6)


def test_a_token_of_an_idle_loop_costs_what_scattered_measures() -> None:
    """Streams whose tokens come one after the other cost token, Answer and wake, each time."""
    streams, rate, seconds = 40, 25.0, 4.0
    calls = [
        SimulatedCall(index / (streams * rate), int(seconds * rate), rate)
        for index in range(streams)
    ]
    outcome = run(Costs(0.0, 50e-6, 3e-6, 60e-6), calls)
    assert outcome.busy == pytest.approx(streams * rate * seconds * (50 + 3 + 60) * 1e-6, rel=1e-3)


def test_a_crowd_that_costs_nothing_does_not_wait() -> None:
    """Without costs, all first tokens arrive at once and all tokens in time."""
    found = predicted(FREE, Crowd(200, seconds=1.0))
    assert found["first_token_p99_ms"] == pytest.approx(0.0)
    assert found["in_time_percent"] == 100
    assert found["server_cores"] == 0


def test_a_larger_crowd_waits_longer() -> None:
    """As a crowd grows, first tokens come later and fewer tokens come in time."""
    found = [predicted(COSTS, Crowd(streams, seconds=2.0)) for streams in (50, 150, 400, 900)]
    for smaller, larger in itertools.pairwise(found):
        assert smaller["first_token_p50_ms"] < larger["first_token_p50_ms"]
        assert smaller["first_token_p99_ms"] < larger["first_token_p99_ms"]
        assert smaller["in_time_percent"] >= larger["in_time_percent"]
        assert smaller["messages_per_token"] >= larger["messages_per_token"] - 1e-9


def test_the_last_of_a_crowd_waits_for_the_work_of_all() -> None:
    """The 99th percentile is at least the work of 99 % of the calls."""
    found = predicted(COSTS, Crowd(500, seconds=3.0))
    assert found["first_token_p99_ms"] >= 0.98 * 500 * COSTS.call * 1e3


def test_the_same_crowd_is_the_same_again() -> None:
    """A simulation has no chance in it."""
    crowd = Crowd(120, seconds=1.0)
    assert predicted(COSTS, crowd) == predicted(COSTS, crowd)


def test_a_full_core_is_where_the_formula_says() -> None:
    """Up to a full core each token has its own Answer; beyond it, tokens leave together.

    Then the service's own write pacer rests after each turn, for PAUSE_FACTOR times its duration.
    """
    costs = Costs(0.0, 100e-6, 3e-6, 0.0)
    below = steady(costs, round(saturating_streams(costs, 20.0, 0.5)), 20.0, 1.0)
    above = steady(costs, round(saturating_streams(costs, 20.0, 1.5)), 20.0, 1.0)
    assert below.messages_per_token == pytest.approx(1.0, abs=0.01)
    assert below.utilisation == pytest.approx(0.5, abs=0.02)
    assert below.in_time_percent == 100
    assert above.messages_per_token < 0.8
    assert above.utilisation == pytest.approx(1 / (1 + PAUSE_FACTOR), abs=0.05)
    assert above.late_p99_ms > below.late_p99_ms
