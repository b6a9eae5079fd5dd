"""`tokenwire demo-upstream`: the command line of the simulator."""

import argparse

from tokenwire.cli import _simulator


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `demo-upstream`."""
    parser = subparsers.add_parser(
        "demo-upstream", help="run the simulator of an OpenAI-compatible server"
    )
    if not _simulator.is_installed():
        # argparse gives all subcommands the parser class of the whole program.
        parser.__class__ = _simulator.RefusingParser
        return
    from tokenwire_demo import command  # noqa: PLC0415 - may be missing

    command.add_options(parser)
    parser.set_defaults(run=command.run)
