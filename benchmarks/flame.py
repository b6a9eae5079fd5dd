"""Draws a flame graph of tokenwire under load: `make flame`."""

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
"""Has enough events to sample, each of which is a write of its own."""
TITLE = "tokenwire's Python under 8 streams of 1,000 tokens/s"
SECONDS = 10.0
EXTRA_LOAD_SECONDS = 2.0
"""The load runs this much longer than the profiler."""
SAMPLES_PER_SECOND = 250


def main() -> None:
    """Draw the flame graph of tokenwire under load."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flame", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long to profile")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="the SVG file to write")
    args = parser.parse_args()
    args.picture.parent.mkdir(parents=True, exist_ok=True)
    [scenario] = [each for each in SCENARIOS if each.name == SCENARIO]
    [server] = [each for each in SERVERS if each.name == "tokenwire"]
    effort = Effort(seconds=args.seconds + EXTRA_LOAD_SECONDS)
    with (
        rounds.started(effort, Cores.of_this_machine()) as bench,
        bench.started(server) as running,
    ):
        # The first measurement warms up, so that one-time work is not in the picture.
        running.measure(scenario)
        profiler = subprocess.Popen(_py_spy(running.program.pids()[0], args))
        try:
            running.measure(scenario)
        finally:
            profiler.wait()
    if profiler.returncode:
        raise SystemExit(
            f"py-spy failed with exit code {profiler.returncode}; see its output above"
        )
    # py-spy uses its command line as the title.
    drawn = re.sub(r'(<text id="title"[^>]*>)[^<]*', rf"\1{TITLE}", args.picture.read_text("utf-8"))
    args.picture.write_text(drawn, "utf-8")


def _py_spy(pid: int, args: argparse.Namespace) -> list[str]:
    """Return the command that profiles a process.

    It samples Python stacks while a thread holds the GIL; gRPC's own threads are not included.
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
