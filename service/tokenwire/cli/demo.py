"""`tokenwire demo`: everything once, on the built-in demo model."""

import argparse
import asyncio

from tokenwire.cli import _simulator
from tokenwire.cli._connection import silence_grpc
from tokenwire.cli._settings import import_tracing, tell
from tokenwire.cli._streams import allow_interrupts


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `demo`."""
    parser = subparsers.add_parser(
        "demo",
        help="see it work: one streamed answer from the built-in demo model",
        description="Start a server on the built-in demo model, stream one answer from it, show "
        "its health and a few metrics, and stop it. Needs no key and no network.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show the demo; return the exit code."""
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
        return asyncio.run(_demonstration.show())
    except SettingsError as error:
        return tell(error)
