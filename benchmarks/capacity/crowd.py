"""The benchmark's scenario `crowd`, simulated: many streams at once, while others run."""

from dataclasses import dataclass

from benchmarks.capacity.costs import Costs
from benchmarks.capacity.simulation import (
    IN_TIME_SECONDS,
    Simulated,
    SimulatedAnswer,
    SimulatedCall,
    run,
)

RAMP_SECONDS = 1.0
SETTLE_SECONDS = 1.0
"""Both as in benchmarks/load: the streams that run begin within the one, and the crowd comes after
the other."""
MILLI = 1e3


@dataclass(frozen=True)
class Crowd:
    """Streams that begin at once.

    Attributes:
        streams: The number of streams that begin at once.
        running: The number of streams that run already.
        rate: Tokens per second of each stream.
        seconds: The time that is counted, from the beginning of the crowd.
    """

    streams: int
    running: int = 40
    rate: float = 20.0
    seconds: float = 5.0


def predicted(costs: Costs, crowd: Crowd) -> dict[str, float]:
    """Return the figures of a crowd, by the names that they have in the benchmark."""
    begin = RAMP_SECONDS + SETTLE_SECONDS
    end = begin + crowd.seconds

    def call(at: float) -> SimulatedCall:
        return SimulatedCall(at, 1 + int((end - at) * crowd.rate), crowd.rate)

    running = [call(RAMP_SECONDS * index / crowd.running) for index in range(crowd.running)]
    arriving = [call(begin) for _ in range(crowd.streams)]
    outcome = run(costs, [*running, *arriving], begin, end, IN_TIME_SECONDS)
    ran, arrived = outcome.answers[: crowd.running], outcome.answers[crowd.running :]
    return {
        **_first_tokens(arrived),
        **_deliveries(outcome, begin, end),
        "running_late_max_ms": MILLI * max(lateness(ran, begin, end), default=0.0),
    }


def _first_tokens(answers: list[SimulatedAnswer]) -> dict[str, float]:
    times = sorted(answer.first_token for answer in answers if answer.first_token is not None)
    shares = (("p50", 0.5), ("p99", 0.99))
    return {f"first_token_{name}_ms": MILLI * share_of(times, share) for name, share in shares}


def share_of(times: list[float], share: float) -> float:
    """Return the quantile of sorted values as the load generator does; 0 without values."""
    return times[int(share * (len(times) - 1) + 0.5)] if times else 0.0


def _deliveries(outcome: Simulated, begin: float, end: float) -> dict[str, float]:
    answers = outcome.answers
    due = sum(
        begin <= answer.due(token) < end
        for answer in answers
        for token in range(answer.call.tokens)
    )
    in_time = sum(late <= IN_TIME_SECONDS for late in lateness(answers, begin, end))
    tokens = sum(begin <= at < end for answer in answers for at in answer.arrivals)
    messages = sum(begin <= at < end for answer in answers for at in answer.messages)
    return {
        "in_time_percent": 100 * in_time / due,
        "messages_per_token": messages / tokens if tokens else 0.0,
        "server_cores": outcome.utilisation,
    }


def lateness(answers: list[SimulatedAnswer], begin: float, end: float) -> list[float]:
    """Return by how many seconds the tokens that were due in the time that counts were late."""
    return [
        arrival - due
        for answer in answers
        for token, arrival in enumerate(answer.arrivals)
        if begin <= (due := answer.due(token)) < end
    ]
