"""The scenarios: the arguments of the load generator, and the figures of its report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

LoadReport: TypeAlias = Mapping[str, Any]
"""The JSON that the load generator prints."""
Figures: TypeAlias = dict[str, float]
"""The figures of one measurement, by name."""

MICRO = 1e6
CALLS_PER_SECOND = 200
"""The rate at which many streams are opened; low, because tokens are measured and not calls."""
STREAMS_PER_CONNECTION = 16
LEAST_DELIVERED_PERCENT = 5.0
"""Below this share of a crowd's tokens, few of its streams had one: the times of their first tokens
say nothing of the others."""


@dataclass(frozen=True)
class Effort:
    """How much a run measures.

    Attributes:
        rounds: The number of measurements of each server in each scenario.
        seconds: The duration of one measurement.
        most_streams: The most concurrent streams.
        long_answer: The tokens of the answer that may block an event loop.
    """

    rounds: int = 5
    seconds: float = 5.0
    most_streams: int = 1_000
    long_answer: int = 64_000


@dataclass(frozen=True)
class Scenario:
    """One scenario.

    Attributes:
        name: The name on the command line and in the JSON file.
        title: The description in tables.
        arguments: Returns the command and options of the load generator.
        figures: Returns the figures of the load generator's report.
        fresh: Whether each measurement needs a newly started server.
        direct: Whether the upstream is also measured without a server, for comparison.
        max_rounds: The most rounds, for scenarios that take long.
    """

    name: str
    title: str
    arguments: Callable[[Effort], tuple[str, ...]]
    figures: Callable[[LoadReport], Figures]
    fresh: bool = False
    direct: bool = False
    max_rounds: int = 1_000


def _options(command: str, **options: float | None) -> tuple[str, ...]:
    words = [command]
    for name, value in options.items():
        words += [f"-{name}", f"{value:g}"]
    return tuple(words)


def _costs(report: LoadReport) -> Figures:
    """Return the rates, and the CPU time per token of the server, upstream and generator."""
    tokens, answers, seconds = report["tokens"], report["answers"], report["seconds"]
    rates = {
        "tokens_per_second": tokens / seconds,
        "calls_per_second": answers / seconds,
        "errors": report["errors"],
        "first_token_p50_ms": report["first_token_ms"]["p50"],
        "first_token_p99_ms": report["first_token_ms"]["p99"],
    }
    if not tokens or not answers:
        return rates
    return {
        **rates,
        "cpu_us_per_token": report["server_cpu"] / tokens * MICRO,
        "messages_per_token": report["messages"] / tokens,
        "upstream_us_per_token": report["upstream_cpu"] / tokens * MICRO,
        "generator_us_per_token": report["generator_cpu"] / tokens * MICRO,
    }


def _closed(report: LoadReport) -> Figures:
    figures = {**_costs(report), "per_token_p50_ms": report["per_token_ms"]["p50"]}
    if report["answers"]:
        figures["cpu_us_per_call"] = report["server_cpu"] / report["answers"] * MICRO
    return figures


def _paced(report: LoadReport) -> Figures:
    return {
        **_costs(report),
        "in_time_percent": 100 * report["in_time"] / report["due"],
        "delivered_percent": 100 * report["tokens"] / report["due"],
        "jain": report["jain"],
        "late_p50_ms": report["lateness_ms"]["p50"],
        "late_p99_ms": report["lateness_ms"]["p99"],
        "server_cores": report["server_cpu"] / report["seconds"],
        "upstream_cores": report["upstream_cpu"] / report["seconds"],
        "generator_cores": report["generator_cpu"] / report["seconds"],
    }


def _crowd(report: LoadReport) -> Figures:
    figures = {
        **_paced(report),
        "running_late_p99_ms": report["running_lateness_ms"]["p99"],
        "running_late_max_ms": report["running_lateness_ms"]["max"],
    }
    if figures["delivered_percent"] < LEAST_DELIVERED_PERCENT:
        del figures["first_token_p50_ms"], figures["first_token_p99_ms"]
    return figures


def _parked(report: LoadReport) -> Figures:
    idle, grown = report["idle_bytes"], report["parked_bytes"] - report["idle_bytes"]
    figures: Figures = {"idle_mb": idle / 1e6, "errors": report["errors"]}
    # The memory of streams that failed is counted too.
    if report["answers"] > report["errors"]:
        figures["kb_per_stream"] = grown / 1e3 / report["answers"]
    return figures


def _blocked(report: LoadReport) -> Figures:
    idle, meantime = report["probe_idle_ms"], report["probe_meantime_ms"]
    return {
        **_costs(report),
        "block_ms": meantime["max"] - idle["p50"],
        "probe_idle_p50_ms": idle["p50"],
        "probe_idle_max_ms": idle["max"],
        "probe_p99_ms": meantime["p99"],
        "probe_max_ms": meantime["max"],
    }


def workers_scenarios(connections: int) -> tuple[Scenario, Scenario]:
    """Return the scenarios for several workers.

    Args:
        connections: The number of connections. The kernel assigns them to workers at random,
            so many connections are needed for an even load.
    """
    streams = STREAMS_PER_CONNECTION * connections
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
        "scattered",
        "40 streams of 25 tokens/s each, whose tokens come one after the other",
        # All begin within the time between two tokens of a stream, so evenly spread over it.
        lambda effort: _options("paced", streams=40, rate=25, ramp=1 / 25, seconds=effort.seconds),
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
        max_rounds=3,
    ),
    Scenario(
        "crowd",
        "1,000 streams of 20 tokens/s each that begin at once, while 40 others run",
        lambda effort: _options(
            "crowd",
            streams=min(1_000, effort.most_streams),
            running=40,
            rate=20,
            seconds=effort.seconds,
        ),
        _crowd,
        max_rounds=3,
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
        max_rounds=3,
    ),
    Scenario(
        "unread",
        "500 streams whose reader stops reading in the midst of the answer",
        lambda effort: (*_options("parked", streams=min(500, effort.most_streams)), "-unread"),
        _parked,
        fresh=True,
        max_rounds=3,
    ),
    Scenario(
        "blocked",
        "health checks while an answer of 64,000 tokens comes as fast as it can",
        lambda effort: _options("blocked", tokens=effort.long_answer, seconds=1, timeout=120),
        _blocked,
        max_rounds=3,
    ),
)
