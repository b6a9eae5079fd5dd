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
from benchmarks.servers import SERVERS, USUAL, earlier
from benchmarks.table import as_text

LATEST = Path(__file__).resolve().parent / "results" / "latest.json"


def main() -> None:
    """Measure, print the tables, write the JSON file."""
    args = _arguments()
    # Asked to end, it ends what it has started, as it does at its own end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("benchmarks: asked to end"))
    allow_many_connections()
    servers = [server for server in SERVERS if server.name in args.who]
    if args.before:
        servers.append(earlier(args.before))
    scenarios = [scenario for scenario in SCENARIOS if scenario.name in args.only]
    effort = Effort(args.rounds, args.seconds, args.most_streams, args.long_answer)
    found = Run(
        machine(),
        versions(servers),
        asdict(effort),
        {server.name: server.title for server in servers},
        {scenario.name: scenario.title for scenario in scenarios},
    )
    args.json.parent.mkdir(parents=True, exist_ok=True)
    with rounds.bench(effort, Cores.of_this_machine()) as around:
        for scenario in scenarios:
            found.cells[scenario.name] = rounds.run(around, scenario, servers)
            # After each, so that a run that is cut short has not been in vain.
            args.json.write_text(json.dumps(found.to_json(), indent=1) + "\n")
    print(as_text(found))


def _arguments() -> argparse.Namespace:
    usual = Effort()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = _names([scenario.name for scenario in SCENARIOS])
    parser.add_argument(
        "--only",
        type=names,
        default=[scenario.name for scenario in SCENARIOS],
        metavar="SCENARIO,...",
        help=", ".join(scenario.name for scenario in SCENARIOS),
    )
    parser.add_argument(
        "--who",
        type=_names([server.name for server in SERVERS]),
        default=USUAL,
        metavar="SERVER,...",
        help=", ".join(server.name for server in SERVERS),
    )
    parser.add_argument(
        "--before",
        type=_checkout,
        metavar="CHECKOUT",
        help="measure tokenwire of this directory too, such as a worktree of an earlier commit",
    )
    parser.add_argument("--rounds", type=int, default=usual.rounds)
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="of one measurement")
    parser.add_argument("--most-streams", type=int, default=usual.most_streams)
    parser.add_argument("--long-answer", type=int, default=usual.long_answer, help="in tokens")
    parser.add_argument("--json", type=Path, default=LATEST, help="where to write the figures")
    return parser.parse_args()


def _checkout(text: str) -> Path:
    if not (Path(text) / "service" / "tokenwire").is_dir():
        raise argparse.ArgumentTypeError(f"{text} has no service/tokenwire")
    return Path(text)


class _names:  # noqa: N801 - reads as the function that it stands for
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
