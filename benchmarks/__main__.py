"""The command line: `make bench`, `make bench-peers`, or `python -m benchmarks --help`."""

import argparse
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks import rounds
from benchmarks.figures import Run
from benchmarks.machine import machine, versions
from benchmarks.processes import Cores, allow_many_connections
from benchmarks.scenarios import SCENARIOS, Effort
from benchmarks.servers import DEFAULT_SERVERS, SERVERS, tokenwire_of_checkout
from benchmarks.table import as_text

LATEST = Path(__file__).resolve().parent / "results" / "latest.json"


def main() -> None:
    """Measure, print the tables and write the JSON file."""
    args = _arguments()
    # Unwinds the stack on SIGTERM, so that all started programs are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("benchmarks: terminated"))
    allow_many_connections()
    servers = [server for server in SERVERS if server.name in args.who]
    if args.before:
        servers.append(tokenwire_of_checkout(args.before))
    scenarios = [scenario for scenario in SCENARIOS if scenario.name in args.only]
    effort = Effort(args.rounds, args.seconds, args.most_streams, args.long_answer)
    results = Run(
        machine(),
        versions(servers),
        asdict(effort),
        {server.name: server.title for server in servers},
        {scenario.name: scenario.title for scenario in scenarios},
    )
    args.json.parent.mkdir(parents=True, exist_ok=True)
    with rounds.started(effort, Cores.of_this_machine()) as bench:
        for scenario in scenarios:
            results.cells[scenario.name] = rounds.run(bench, scenario, servers)
            # Written after each scenario, so that an interrupted run keeps its results.
            args.json.write_text(json.dumps(results.to_json(), indent=1) + "\n")
    print(as_text(results))


def _arguments() -> argparse.Namespace:
    defaults = Effort()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = _NameList([scenario.name for scenario in SCENARIOS])
    parser.add_argument(
        "--only",
        type=names,
        default=[scenario.name for scenario in SCENARIOS],
        metavar="SCENARIO,...",
        help=", ".join(scenario.name for scenario in SCENARIOS),
    )
    parser.add_argument(
        "--who",
        type=_NameList([server.name for server in SERVERS]),
        default=DEFAULT_SERVERS,
        metavar="SERVER,...",
        help=", ".join(server.name for server in SERVERS),
    )
    parser.add_argument(
        "--before",
        type=_checkout,
        metavar="CHECKOUT",
        help="also measure tokenwire in this directory, such as a worktree of an earlier commit",
    )
    parser.add_argument(
        "--rounds", type=int, default=defaults.rounds, help="measurements per server and scenario"
    )
    parser.add_argument(
        "--seconds", type=float, default=defaults.seconds, help="duration of one measurement"
    )
    parser.add_argument(
        "--most-streams", type=int, default=defaults.most_streams, help="caps concurrent streams"
    )
    parser.add_argument(
        "--long-answer", type=int, default=defaults.long_answer, help="tokens of the long answer"
    )
    parser.add_argument("--json", type=Path, default=LATEST, help="the file to write")
    return parser.parse_args()


def _checkout(text: str) -> Path:
    if not (Path(text) / "service" / "tokenwire").is_dir():
        raise argparse.ArgumentTypeError(f"{text} has no service/tokenwire")
    return Path(text)


class _NameList:
    """Parses comma-separated names, or `all`, of known names."""

    def __init__(self, known: list[str]) -> None:
        self._known = known

    def __call__(self, text: str) -> list[str]:
        chosen = self._known if text == "all" else text.split(",")
        for name in chosen:
            if name not in self._known:
                raise argparse.ArgumentTypeError(f"{name} is not one of {', '.join(self._known)}")
        return chosen


if __name__ == "__main__":
    main()
