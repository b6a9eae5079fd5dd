"""Measures several workers against one: `make bench-workers`."""

import argparse
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks import rounds
from benchmarks.figures import Figure, Run
from benchmarks.machine import machine, versions
from benchmarks.processes import Cores, allow_many_connections
from benchmarks.scenarios import MICRO, Effort, workers_scenarios
from benchmarks.servers import with_workers
from benchmarks.table import MISSING, Table, aligned

LATEST = Path(__file__).resolve().parent / "results" / "workers.json"
HEAD = ["", "tokens/s", "times one worker's", "CPU µs/token", "its cores", "the others' cores"]
SHARED_CORES_NOTE = (
    "The upstream and the load generator share all cores with the workers. tokens/s is therefore "
    "the rate of the whole machine; compare CPU µs/token instead."
)


def main() -> None:
    """Measure one worker and several, print the tables and write the JSON file."""
    args = _arguments()
    # Unwinds the stack on SIGTERM, so that all started programs are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("benchmarks: terminated"))
    allow_many_connections()
    servers = [with_workers(count) for count in (1, args.workers)]
    scenarios = workers_scenarios(args.connections)
    effort = Effort(rounds=args.rounds, seconds=args.seconds)
    results = Run(
        machine(),
        versions(servers),
        asdict(effort),
        {server.name: server.title for server in servers},
        {scenario.name: scenario.title for scenario in scenarios},
    )
    args.json.parent.mkdir(parents=True, exist_ok=True)
    # One worker gets as many cores as several, so that only the number of workers differs.
    cores = Cores.of_this_machine(args.workers)
    with rounds.started(effort, cores) as bench:
        for scenario in scenarios:
            results.cells[scenario.name] = rounds.run(bench, scenario, servers)
            args.json.write_text(json.dumps(results.to_json(), indent=1) + "\n")
    for scenario in scenarios:
        print(f"{scenario.title}:\n{aligned(_table(results, scenario.name))}\n")
    print(f"cores: {len(cores.server)} for workers, {len(cores.others)} for the others")
    if cores.shared:
        print(SHARED_CORES_NOTE)


def _table(run: Run, scenario: str) -> Table:
    rows = [HEAD]
    first = run.median(scenario, next(iter(run.titles)), "tokens_per_second")
    for server, title in run.titles.items():
        rate = run.figure(scenario, server, "tokens_per_second")
        if rate is None or not first:
            rows.append([title, *[MISSING] * (len(HEAD) - 1)])
            continue
        ours, upstream, generator = (
            run.median(scenario, server, f"{who}_us_per_token") or 0.0
            for who in ("cpu", "upstream", "generator")
        )
        cores = (f"{cost * rate.median / MICRO:.2f}" for cost in (ours, upstream + generator))
        speed_up = f"{rate.median / first:.2f} x"
        rows.append([title, _spread(rate), speed_up, f"{ours:.1f}", *cores])
    return rows


def _spread(rate: Figure) -> str:
    return f"{rate.median:,.0f} ({rate.lowest:,.0f}-{rate.highest:,.0f})"


def _arguments() -> argparse.Namespace:
    defaults = Effort()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    parser.add_argument("--workers", type=int, default=2, help="the number to compare with one")
    parser.add_argument("--connections", type=int, default=64, help="connections of the callers")
    parser.add_argument("--rounds", type=int, default=defaults.rounds, help="measurements of each")
    parser.add_argument(
        "--seconds", type=float, default=defaults.seconds, help="duration of one measurement"
    )
    parser.add_argument("--json", type=Path, default=LATEST, help="the file to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
