"""What is measured: how the load generator is asked, and what its answer says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Found: TypeAlias = Mapping[str, Any]
"""What the load generator printed."""
Figures: TypeAlias = dict[str, float]

MICRO = 1e6
CALLS_PER_SECOND = 200
"""How fast a thousand streams are opened: a server shall be judged by its tokens."""
STREAMS_OF_A_CONNECTION = 16


@dataclass(frozen=True)
class Effort:
    """How much a run may do.

    Attributes:
        rounds: How often each server is measured in each scenario.
        seconds: How long once is.
        most_streams: Caps the streams of the scenarios with many.
        long_answer: Tokens of the answer that might block an event loop.
    """

    rounds: int = 5
    seconds: float = 5.0
    most_streams: int = 1_000
    long_answer: int = 64_000


@dataclass(frozen=True)
class Scenario:
    """One thing that is measured.

    Attributes:
        name: Names it on the command line and in the JSON.
        title: What it is about, for people.
        arguments: Makes the load generator's command and options.
        figures: Reads what was found into named figures.
        fresh: Whether each measurement needs a server that has done nothing yet.
        direct: Whether the upstream itself is measured too, for comparison.
        most_rounds: Caps the rounds of a scenario that takes long.
    """

    name: str
    title: str
    arguments: Callable[[Effort], tuple[str, ...]]
    figures: Callable[[Found], Figures]
    fresh: bool = False
    direct: bool = False
    most_rounds: int = 1_000


def _options(command: str, **options: float | None) -> tuple[str, ...]:
    words = [command]
    for name, value in options.items():
        words += [f"-{name}", f"{value:g}"]
    return tuple(words)


def _costs(found: Found) -> Figures:
    """Return what a token cost the server, and what it cost to measure that."""
    tokens, answers, seconds = found["tokens"], found["answers"], found["seconds"]
    rates = {
        "tokens_per_second": tokens / seconds,
        "calls_per_second": answers / seconds,
        "errors": found["errors"],
        "first_token_p50_ms": found["first_token_ms"]["p50"],
        "first_token_p99_ms": found["first_token_ms"]["p99"],
    }
    if not tokens or not answers:
        return rates
    return {
        **rates,
        "cpu_us_per_token": found["server_cpu"] / tokens * MICRO,
        "messages_per_token": found["messages"] / tokens,
        "upstream_us_per_token": found["upstream_cpu"] / tokens * MICRO,
        "generator_us_per_token": found["generator_cpu"] / tokens * MICRO,
    }


def _closed(found: Found) -> Figures:
    figures = {**_costs(found), "per_token_p50_ms": found["per_token_ms"]["p50"]}
    if found["answers"]:
        figures["cpu_us_per_call"] = found["server_cpu"] / found["answers"] * MICRO
    return figures


def _paced(found: Found) -> Figures:
    return {
        **_costs(found),
        "in_time_percent": 100 * found["in_time"] / found["due"],
        "delivered_percent": 100 * found["tokens"] / found["due"],
        "jain": found["jain"],
        "late_p50_ms": found["lateness_ms"]["p50"],
        "late_p99_ms": found["lateness_ms"]["p99"],
        "server_cores": found["server_cpu"] / found["seconds"],
        "upstream_cores": found["upstream_cpu"] / found["seconds"],
        "generator_cores": found["generator_cpu"] / found["seconds"],
    }


def _parked(found: Found) -> Figures:
    idle, grown = found["idle_bytes"], found["parked_bytes"] - found["idle_bytes"]
    figures: Figures = {"idle_mb": idle / 1e6, "errors": found["errors"]}
    if found["answers"]:
        figures["kb_per_stream"] = grown / 1e3 / found["answers"]
    return figures


def _blocked(found: Found) -> Figures:
    idle, meantime = found["probe_idle_ms"], found["probe_meantime_ms"]
    return {
        **_costs(found),
        "block_ms": meantime["max"] - idle["p50"],
        "probe_idle_p50_ms": idle["p50"],
        "probe_idle_max_ms": idle["max"],
        "probe_p99_ms": meantime["p99"],
        "probe_max_ms": meantime["max"],
    }


def workers_scenarios(connections: int) -> tuple[Scenario, Scenario]:
    """Return what is measured of workers, over so many connections.

    The kernel deals them out by chance, so it takes many to load workers alike.
    """
    streams = STREAMS_OF_A_CONNECTION * connections
    return (
        Scenario(
            "workers-burst",
            f"{connections} streams of answers of 2,000 tokens, as fast as the upstream can send",
            lambda effort: _options(
                "closed",
                streams=connections,
                connections=connections,
                tokens=2_000,
                seconds=effort.seconds,
            ),
            _closed,
        ),
        Scenario(
            "workers-carried",
            f"{streams:,} streams of 40 tokens/s each, {40 * streams:,} tokens/s",
            lambda effort: _options(
                "paced",
                streams=streams,
                connections=connections,
                rate=40,
                ramp=streams / CALLS_PER_SECOND,
                seconds=effort.seconds,
            ),
            _paced,
        ),
    )


SCENARIOS = (
    Scenario(
        "burst",
        "4 streams of answers of 2,000 tokens, as fast as the upstream can send",
        lambda effort: _options("closed", streams=4, tokens=2_000, seconds=effort.seconds),
        _closed,
    ),
    Scenario(
        "paced",
        "40 streams of 25 tokens/s each",
        lambda effort: _options("paced", streams=40, rate=25, ramp=0.5, seconds=effort.seconds),
        _paced,
    ),
    Scenario(
        "swift",
        "8 streams of 1,000 tokens/s each, as the fastest models write",
        lambda effort: _options("paced", streams=8, rate=1_000, ramp=0.5, seconds=effort.seconds),
        _paced,
    ),
    Scenario(
        "carried",
        "1,000 streams of 20 tokens/s each",
        lambda effort: _options(
            "paced",
            streams=min(1_000, effort.most_streams),
            rate=20,
            ramp=min(1_000, effort.most_streams) / CALLS_PER_SECOND,
            seconds=2 * effort.seconds,
        ),
        _paced,
        most_rounds=3,
    ),
    Scenario(
        "ttft",
        "sequential calls, 2 tokens at 100 tokens/s",
        lambda effort: _options("closed", streams=1, tokens=2, rate=100, seconds=effort.seconds),
        _closed,
        direct=True,
    ),
    Scenario(
        "percall",
        "4 streams of answers of 1 token",
        lambda effort: _options("closed", streams=4, tokens=1, seconds=effort.seconds),
        _closed,
    ),
    Scenario(
        "parked",
        "500 streams whose upstream pauses in the midst of the answer",
        lambda effort: _options("parked", streams=min(500, effort.most_streams)),
        _parked,
        fresh=True,
        most_rounds=3,
    ),
    Scenario(
        "unread",
        "500 streams whose reader stops reading in the midst of the answer",
        lambda effort: (*_options("parked", streams=min(500, effort.most_streams)), "-unread"),
        _parked,
        fresh=True,
        most_rounds=3,
    ),
    Scenario(
        "blocked",
        "health checks while an answer of 64,000 tokens comes as fast as it can",
        lambda effort: _options("blocked", tokens=effort.long_answer, seconds=1, timeout=120),
        _blocked,
        most_rounds=3,
    ),
)
