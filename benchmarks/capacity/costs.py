"""The costs of one event loop, from the figures of a run of the benchmark."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.figures import Run
from benchmarks.goals import FULL

MICRO = 1e-6

NEEDED: Mapping[str, tuple[str, ...]] = {
    "burst": ("cpu_us_per_token", "messages_per_token", "tokens_per_second", "calls_per_second"),
    "scattered": ("cpu_us_per_token", "messages_per_token"),
    "carried": ("cpu_us_per_token", "messages_per_token"),
    "percall": ("cpu_us_per_call",),
    "parked": ("unused_mb", "kb_per_stream"),
    "unread": ("kb_per_stream",),
    "store": ("cpu_us_per_run", "cpu_us_per_entry"),
}
"""The figures from which costs are computed, by scenario."""
CHECKED = (
    "first_token_p50_ms",
    "first_token_p99_ms",
    "in_time_percent",
    "running_late_max_ms",
    "messages_per_token",
    "server_cores",
)
"""The figures of the crowd that are predicted."""


class MissingFigureError(Exception):
    """A run lacks a figure that is needed."""


@dataclass(frozen=True)
class Costs:
    """What work costs one event loop, in seconds of CPU time.

    Attributes:
        call: A call, without its tokens and Answers.
        answer: An Answer: one message to the caller.
        token: A token within an Answer: finding, decoding and counting its event.
        wake: What a token costs more if the event loop was idle.
    """

    call: float
    answer: float
    token: float
    wake: float


@dataclass(frozen=True)
class Memory:
    """The resident memory of one process, in bytes.

    Attributes:
        idle: Before the first call.
        stream: What a running stream adds.
        unread: What a stream adds whose caller does not read.
    """

    idle: float
    stream: float
    unread: float


@dataclass(frozen=True)
class StoreCosts:
    """What the store of limits costs Redis, in seconds of CPU time.

    Attributes:
        run: A run of the script, for one caller.
        entry: Each entry in it: a call that begins, goes on or ends.
    """

    run: float
    entry: float


def figure(run: Run, scenario: str, name: str) -> float:
    """Return the median of a figure of the server with everything on.

    Raises:
        MissingFigureError: It was not measured.
    """
    found = run.median(scenario, FULL, name)
    if found is None:
        raise MissingFigureError(
            f"the run has no {name} of {FULL} in the scenario {scenario}: "
            "measure it with `make bench-capacity`"
        )
    return found


def costs_of(run: Run) -> Costs:
    """Return the costs that explain the CPU times of four scenarios.

    With the costs `call`, `answer`, `token` and `wake`, and `m` Answers per token:

        percall    cpu per call  = call + answer + token
        burst      cpu per token = token + m * answer + call / tokens of an answer
        carried    cpu per token = token + m * answer
        scattered  cpu per token = token + m * answer + wake

    Raises:
        MissingFigureError: A figure was not measured.
    """
    call = figure(run, "percall", "cpu_us_per_call")
    burst, carried, scattered = (
        figure(run, name, "cpu_us_per_token") for name in ("burst", "carried", "scattered")
    )
    in_burst, in_carried, in_scattered = (
        figure(run, name, "messages_per_token") for name in ("burst", "carried", "scattered")
    )
    calls_per_token = figure(run, "burst", "calls_per_second") / figure(
        run, "burst", "tokens_per_second"
    )
    own = 1 - calls_per_token
    answer = (carried * own - burst + call * calls_per_token) / (
        in_carried * own - in_burst + calls_per_token
    )
    token = carried - in_carried * answer
    return Costs(
        call=_positive(call - answer - token) * MICRO,
        answer=_positive(answer) * MICRO,
        token=_positive(token) * MICRO,
        wake=_positive(scattered - token - in_scattered * answer) * MICRO,
    )


def memory_of(run: Run) -> Memory:
    """Return the memory of a process.

    Raises:
        MissingFigureError: A figure was not measured.
    """
    return Memory(
        idle=figure(run, "parked", "unused_mb") * 1e6,
        stream=figure(run, "parked", "kb_per_stream") * 1e3,
        unread=figure(run, "unread", "kb_per_stream") * 1e3,
    )


def store_costs_of(run: Run) -> StoreCosts:
    """Return the costs of the store of limits.

    Raises:
        MissingFigureError: A figure was not measured.
    """
    return StoreCosts(
        run=figure(run, "store", "cpu_us_per_run") * MICRO,
        entry=figure(run, "store", "cpu_us_per_entry") * MICRO,
    )


def _positive(cost: float) -> float:
    # A difference of two measured figures may be below 0 where the machine was busy.
    return max(0.0, cost)
