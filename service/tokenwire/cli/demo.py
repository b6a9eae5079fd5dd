"""`tokenwire demo`: a quick tour with the built-in demo model."""

import argparse
import asyncio

from tokenwire.cli import _simulator
from tokenwire.cli._connection import silence_grpc
from tokenwire.cli._settings import import_tracing, print_problems
from tokenwire.cli._streams import allow_interrupts


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `demo`."""
    parser = subparsers.add_parser(
        "demo",
        help="stream one answer from the built-in demo model",
        description="Start a server with the built-in demo model, print its health, one streamed "
        "answer and a few metrics, and stop the server. Needs no key and no network.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo and return the exit code."""
    del args
    if not _simulator.is_installed():
        return _simulator.refuse()
    silence_grpc()
    # Here, so that other subcommands and --help start without them.
    from tokenwire.config import SettingsError  # noqa: PLC0415

    try:
        import_tracing()
        from tokenwire.cli import _demonstration  # noqa: PLC0415

        allow_interrupts()
        return asyncio.run(_demonstration.run_demo())
    except SettingsError as error:
        return print_problems(error)
