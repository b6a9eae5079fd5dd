"""The command line of the simulator: `tokenwire demo-upstream` and `tokenwire-demo`."""

import argparse
import asyncio
import signal
import sys
from typing import NoReturn

from tokenwire_demo import DemoUpstream, PlanError, parse_plan, scenario_table

DESCRIPTION = """\
Run the built-in demo upstream, a simulator of an OpenAI-compatible server without a model.
It serves POST /v1/chat/completions, /v1/embeddings and /tokenize, and GET /v1/models,
without a key. It fails on demand, which shows how a client behaves if its upstream fails.
"""
EPILOG = """\
A client requests a failure in the header `x-demo-plan: tokens 3; reset`, or in the last user
message: `[[demo: tokens 3; reset]]` or `[[demo: scenario truncated]]`.
docs/demo-upstream.md describes every step of a plan.
"""
_MAX_PORT = 65_535


def main() -> NoReturn:
    """Run the command and exit with its exit code."""
    parser = argparse.ArgumentParser(prog="tokenwire-demo")
    add_options(parser)
    args = parser.parse_args()
    sys.exit(run(args))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the description and the options of this command to a parser."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--listen",
        type=_address,
        default="127.0.0.1:8080",
        metavar="HOST:PORT",
        help="address to listen on; port 0 selects a free port (default: %(default)s)",
    )
    parser.add_argument(
        "--time-to-first-token",
        type=_not_negative,
        default=0.0,
        metavar="SECONDS",
        help="time to the first token of each answer (default: %(default)s)",
    )
    parser.add_argument(
        "--tokens-per-second",
        type=_not_negative,
        default=0.0,
        metavar="NUMBER",
        help="pace of each answer; 0: no limit (default: %(default)s)",
    )
    parser.add_argument(
        "--plan",
        type=_plan,
        default="answer",
        metavar="PLAN",
        help="plan for requests without a plan of their own (default: %(default)s)",
    )
    parser.add_argument(
        "--list-scenarios",
        action="store_true",
        help="print the scenarios as a table and exit",
    )


def run(args: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM; return the exit code."""
    if args.list_scenarios:
        print(scenario_table())
        return 0
    host, port = args.listen
    upstream = DemoUpstream(
        host,
        port,
        time_to_first_token=args.time_to_first_token,
        tokens_per_second=args.tokens_per_second,
        plan=args.plan,
    )
    try:
        asyncio.run(_serve(upstream))
    except OSError as error:
        print(f"cannot listen on {host}:{port}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


async def _serve(upstream: DemoUpstream) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with upstream:
        print(f"demo upstream, a simulator, listens on {upstream.base_url}", flush=True)
        await stop.wait()


def _address(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdecimal() or int(port) > _MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:8080")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _not_negative(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return number


def _plan(text: str) -> str:
    try:
        parse_plan(text)
    except PlanError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
