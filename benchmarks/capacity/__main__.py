"""The plan for a number of streams: `make capacity STREAMS=5000 RATE=30`."""

import argparse
from dataclasses import fields
from pathlib import Path

from benchmarks.capacity.costs import costs_of
from benchmarks.capacity.crowd import Crowd, predicted
from benchmarks.capacity.measured import MEASURED, read_run
from benchmarks.capacity.plan import Demand
from benchmarks.capacity.tables import CHECKS, bounds_table, plan_of, plan_table
from benchmarks.table import Table, aligned

MOST = 1_000_000_000


def main() -> None:
    """Print the plan, what gives way first, and what a crowd in one pod sees."""
    args = _arguments()
    run = read_run(args.file)
    demand = Demand(
        **{each.name: getattr(args, each.name) for each in fields(Demand)},
    )
    plan = plan_of(run, demand)
    at_once = max(1, round(plan.streams_per_pod))
    crowd = predicted(costs_of(run), Crowd(at_once, rate=demand.rate))
    rows: Table = [["figure", "predicted"]]
    rows += [[row.text, row.form.format(crowd[row.name])] for row in CHECKS]
    print(aligned(plan_table([plan])))
    print(f"\nwhat gives way first:\n{aligned(bounds_table(plan))}")
    print(f"\nif all {at_once:,} streams of a pod begin at once:\n{aligned(rows)}")


def _arguments() -> argparse.Namespace:
    preset = Demand(1)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--streams", type=_positive_int, required=True, help="answers in flight")
    for name, kind, text in (
        ("rate", _positive, "tokens per second of each stream"),
        ("answer_tokens", _positive_int, "tokens of an answer"),
        ("streams_per_client", _positive_int, "answers in flight of each client"),
        ("utilisation", _share, "share of its core that a pod should use, up to 1"),
    ):
        value = getattr(preset, name)
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=kind, default=value, help=f"{text} (default {value:g})")
    parser.add_argument("--file", type=Path, default=MEASURED, help="the figures of a run")
    return parser.parse_args()


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < MOST:
        raise argparse.ArgumentTypeError(
            f"{text} is not between 0 and {MOST:,}: want a positive number"
        )
    return value


def _positive_int(text: str) -> int:
    return int(_positive(str(int(text))))


def _share(text: str) -> float:
    value = _positive(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"{text} is more than a whole core: want at most 1")
    return value


if __name__ == "__main__":
    main()
