"""What is measured: how the load generator is asked, and what its answer says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Found: TypeAlias = Mapping[str, Any]
"""What the load generator printed."""
Figures: TypeAlias = dict[str, float]

MICRO = 1e6


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
    """

    name: str
    title: str
    arguments: Callable[[Effort], tuple[str, ...]]
    figures: Callable[[Found], Figures]
    fresh: bool = False
    direct: bool = False


def _options(command: str, **options: float | None) -> tuple[str, ...]:
    words = [command]
    for name, value in options.items():
        words += [f"-{name}", f"{value:g}"]
    return tuple(words)


def _costs(found: Found) -> Figures:
    """Return what a token cost the server, and what it cost to measure that."""
    tokens = found["tokens"] or float("nan")
    return {
        "cpu_us_per_token": found["server_cpu"] / tokens * MICRO,
        "messages_per_token": found["messages"] / tokens,
        "tokens_per_second": found["tokens"] / found["seconds"],
        "upstream_us_per_token": found["upstream_cpu"] / tokens * MICRO,
        "generator_us_per_token": found["generator_cpu"] / tokens * MICRO,
        "errors": found["errors"],
    }


def _closed(found: Found) -> Figures:
    return {
        **_costs(found),
        "cpu_us_per_call": found["server_cpu"] / found["answers"] * MICRO,
        "calls_per_second": found["answers"] / found["seconds"],
        "first_token_p50_ms": found["first_token_ms"]["p50"],
        "first_token_p99_ms": found["first_token_ms"]["p99"],
        "per_token_p50_ms": found["per_token_ms"]["p50"],
    }


def _paced(found: Found) -> Figures:
    return {
        **_costs(found),
        "in_time_percent": 100 * found["in_time"] / found["due"],
        "delivered_percent": 100 * found["tokens"] / found["due"],
        "jain": found["jain"],
        "late_p50_ms": found["lateness_ms"]["p50"],
        "late_p99_ms": found["lateness_ms"]["p99"],
        "first_token_p50_ms": found["first_token_ms"]["p50"],
        "first_token_p99_ms": found["first_token_ms"]["p99"],
        "server_cores": found["server_cpu"] / found["seconds"],
        "upstream_cores": found["upstream_cpu"] / found["seconds"],
        "generator_cores": found["generator_cpu"] / found["seconds"],
    }


def _parked(found: Found) -> Figures:
    grown = found["parked_bytes"] - found["idle_bytes"]
    return {
        "idle_mb": found["idle_bytes"] / 1e6,
        "kb_per_stream": grown / 1e3 / (found["answers"] or float("nan")),
        "errors": found["errors"],
    }


def _blocked(found: Found) -> Figures:
    return {
        "block_ms": found["probe_meantime_ms"]["max"] - found["probe_idle_ms"]["p50"],
        "probe_idle_p50_ms": found["probe_idle_ms"]["p50"],
        "probe_p99_ms": found["probe_meantime_ms"]["p99"],
        "probe_max_ms": found["probe_meantime_ms"]["max"],
        "cpu_us_per_token": found["server_cpu"] / (found["tokens"] or float("nan")) * MICRO,
        "errors": found["errors"],
    }


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
        "carried",
        "1,000 streams of 20 tokens/s each",
        lambda effort: _options(
            "paced",
            streams=min(1_000, effort.most_streams),
            rate=20,
            ramp=effort.seconds,
            seconds=2 * effort.seconds,
        ),
        _paced,
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
    ),
    Scenario(
        "unread",
        "500 streams whose reader stops reading in the midst of the answer",
        lambda effort: (*_options("parked", streams=min(500, effort.most_streams)), "-unread"),
        _parked,
        fresh=True,
    ),
    Scenario(
        "blocked",
        "health checks while an answer of 64,000 tokens comes as fast as it can",
        lambda effort: _options("blocked", tokens=effort.long_answer, seconds=1, timeout=120),
        _blocked,
    ),
)
