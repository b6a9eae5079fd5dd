"""`tokenwire check`: validate a gateway file."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tokenwire.cli._settings import print_problems
from tokenwire.cli._table import table

if TYPE_CHECKING:
    from tokenwire.config.gateway import LoadedGateway, ModelSection

Row = tuple[str, str, str, str]

HEAD: Row = ("MODEL", "TIER", "WEIGHT", "ROUTE")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `check`."""
    parser = subparsers.add_parser(
        "check",
        help="validate a gateway file and show its routes",
        description=(
            "Validate a gateway file, its secrets included, and print the routes of each model\n"
            "in the order in which they are tried. Nothing is sent to an upstream."
        ),
        epilog="exit codes: 0 valid, 2 invalid",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the gateway file")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Validate the file, show its routes and return the exit code."""
    # Here, so that other subcommands and --help start without it.
    from tokenwire.config import SettingsError  # noqa: PLC0415
    from tokenwire.config.gateway import load_gateway  # noqa: PLC0415

    try:
        loaded = load_gateway(args.file)
    except SettingsError as error:
        return print_problems(error)
    for line in table(_rows(loaded)):
        print(line)
    return 0


def _rows(loaded: "LoadedGateway") -> list[Row]:
    rows = [HEAD]
    for name, model in loaded.file.models.items():
        # Once, and not beside each of its routes.
        names = iter([", ".join([name, *model.aliases])])
        rows += [(next(names, ""), *route) for route in _routes(model)]
    return rows


def _routes(model: "ModelSection") -> list[tuple[str, str, str]]:
    """Return the tier, the share within it and the target of each route."""
    return [(str(tier), f"{share:.0%}", route.to) for tier, share, route in model.shares]
