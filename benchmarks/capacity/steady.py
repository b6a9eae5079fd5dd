"""Streams that run steadily, simulated: how many one event loop carries."""

from dataclasses import dataclass, replace

from benchmarks.capacity.costs import Costs
from benchmarks.capacity.crowd import MILLI, lateness, share_of
from benchmarks.capacity.simulation import IN_TIME_SECONDS, SimulatedCall, run

RAMP_SECONDS = 1.0


@dataclass(frozen=True)
class SteadyState:
    """What the callers of streams that run steadily receive.

    Attributes:
        utilisation: The share of one core that is used.
        messages_per_token: Answers per token; below 1 where tokens wait and leave together.
        in_time_percent: The share of tokens that are at most a second late.
        late_p99_ms: How late tokens are, in the 99th percentile.
    """

    utilisation: float
    messages_per_token: float
    in_time_percent: float
    late_p99_ms: float


def saturating_streams(costs: Costs, rate: float, utilisation: float = 1.0) -> float:
    """Return the streams whose tokens use a share of one core, if each token is an Answer.

    streams = utilisation / (tokens per second of a stream * seconds per token and Answer)
    """
    return utilisation / (rate * (costs.token + costs.answer))


def steady(costs: Costs, streams: int, rate: float, seconds: float) -> SteadyState:
    """Simulate streams that all run, for a time in seconds; their calls cost nothing."""
    end = RAMP_SECONDS + seconds
    calls = [
        SimulatedCall(begin, 1 + int((end - begin) * rate), rate)
        for begin in (RAMP_SECONDS * index / streams for index in range(streams))
    ]
    free_calls = replace(costs, call=0.0)
    outcome = run(free_calls, calls, RAMP_SECONDS, end, IN_TIME_SECONDS)
    late = sorted(lateness(outcome.answers, RAMP_SECONDS, end))
    due = sum(
        RAMP_SECONDS <= answer.due(token) < end
        for answer in outcome.answers
        for token in range(answer.call.tokens)
    )
    tokens = sum(len(answer.arrivals) for answer in outcome.answers)
    messages = sum(len(answer.messages) for answer in outcome.answers)
    return SteadyState(
        outcome.utilisation,
        messages / tokens,
        100 * sum(each <= IN_TIME_SECONDS for each in late) / due,
        MILLI * share_of(late, 0.99),
    )
