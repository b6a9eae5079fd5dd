"""The command line: `tokenwire COMMAND`."""

import argparse
import sys
from typing import NoReturn

from tokenwire import __version__
from tokenwire.cli import (
    _streams,
    chat,
    check,
    demo,
    demo_upstream,
    embed,
    keys,
    limits,
    models,
    probe,
    serve,
)

COMMANDS = (serve, chat, models, embed, demo, probe, check, keys, limits, demo_upstream)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="tokenwire",
        description="A gRPC service that streams a language model's answer token by token.",
        epilog="`tokenwire COMMAND --help` describes a command. `tokenwire demo` is a quick tour.",
    )
    parser.add_argument("--version", action="version", version=f"tokenwire {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main() -> NoReturn:
    """Run the command that the arguments name, and exit with its exit code."""
    sys.exit(_streams.run(_run))


def _run() -> int:
    arguments = build_parser().parse_args()
    code: int = arguments.run(arguments)
    return code


if __name__ == "__main__":
    main()
