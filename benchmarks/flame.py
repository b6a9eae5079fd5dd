"""Where the time of a token goes, as a flame graph: `make flame`."""

import argparse
import re
import subprocess
from pathlib import Path

from benchmarks import rounds
from benchmarks.processes import Cores
from benchmarks.scenarios import SCENARIOS, Effort
from benchmarks.servers import PEERS_PYTHON, SERVERS

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "flame.svg"
SCENARIO = "swift"
"""Each event is a write of its own, and there are enough of them to sample."""
TITLE = "tokenwire's Python under 8 streams of 1,000 tokens/s"
SECONDS = 10.0
BESIDE_SECONDS = 2.0
"""The load runs so much longer than it is watched."""
SAMPLES_PER_SECOND = 250


def main() -> None:
    """Draw the graph of our server under load."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flame", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long to watch")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="the SVG file to write")
    args = parser.parse_args()
    args.picture.parent.mkdir(parents=True, exist_ok=True)
    [scenario] = [each for each in SCENARIOS if each.name == SCENARIO]
    [server] = [each for each in SERVERS if each.name == "tokenwire"]
    effort = Effort(seconds=args.seconds + BESIDE_SECONDS)
    with (
        rounds.bench(effort, Cores.of_this_machine()) as around,
        around.started(server) as running,
    ):
        # Once before, so that what is only done once is not in the picture.
        running.measure(scenario)
        watching = subprocess.Popen(_py_spy(running.program.pids()[0], args))
        try:
            running.measure(scenario)
        finally:
            watching.wait()
    if watching.returncode:
        raise SystemExit(f"py-spy ended with {watching.returncode}; see what it said above")
    # py-spy's own title is its command line.
    drawn = re.sub(r'(<text id="title"[^>]*>)[^<]*', rf"\1{TITLE}", args.picture.read_text("utf-8"))
    args.picture.write_text(drawn, "utf-8")


def _py_spy(pid: int, args: argparse.Namespace) -> list[str]:
    """Return the command that watches a process.

    It sees the stacks of Python while Python works; what gRPC does beside it is not in them.
    """
    return [
        *(
            str(PEERS_PYTHON.with_name("py-spy")),
            "record",
            "--pid",
            str(pid),
            "--function",
            "--gil",
        ),
        *("--duration", f"{args.seconds:.0f}", "--rate", str(SAMPLES_PER_SECOND)),
        *("--output", str(args.picture)),
    ]


if __name__ == "__main__":
    main()
