"""`tokenwire models`: the models that a server offers."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from tokenwire.cli._connection import add_connection_options, seconds, silence_grpc
from tokenwire.cli._key import add_key_options
from tokenwire.cli._streams import allow_interrupts
from tokenwire.cli._text import printable_line

if TYPE_CHECKING:
    from tokenwire_client import ListModelsResponse, Model


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `models`."""
    parser = subparsers.add_parser(
        "models",
        help="list the models that a server offers",
        description=(
            "List the models that a request may name, one on each line: its name, a tab, and\n"
            "what is known of it. With --json each line is a JSON object."
        ),
        epilog="exit codes: 0 listed, 1 failed, 2 bad arguments, 130 cancelled by Ctrl-C",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_connection_options(parser)
    add_key_options(parser)
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="cancel the call after this time (default: 10)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per model")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List the models and return the exit code."""
    silence_grpc()
    # Here, so that other subcommands and --help start without gRPC.
    from tokenwire.cli._call import call_and_show  # noqa: PLC0415

    allow_interrupts()
    return call_and_show(
        args,
        lambda client: client.list_models(timeout=args.timeout),
        _show_json if args.json else _show,
    )


def _show(response: "ListModelsResponse") -> None:
    for model in response.models:
        notes = ", ".join(_notes(model, is_default=model.name == response.default_model))
        print(f"{printable_line(model.name)}\t{printable_line(notes)}".rstrip())
    if response.any_model:
        print("A request may name any other model too.", file=sys.stderr)


def _show_json(response: "ListModelsResponse") -> None:
    for model in response.models:
        price = model.price
        known = {
            "name": model.name,
            "default": model.name == response.default_model,
            "description": model.description or None,
            "abilities": _abilities(model),
            "context_tokens": model.context_tokens or None,
            "max_output_tokens": model.max_output_tokens or None,
            "price": {
                "input": price.input,
                "output": price.output,
                "cached_input": price.cached_input,
            }
            if model.HasField("price")
            else None,
            "serving": model.serving,
        }
        print(json.dumps(known))


def _notes(model: "Model", *, is_default: bool) -> list[str]:
    notes = ["default"] if is_default else []
    notes += _abilities(model)
    if model.context_tokens:
        notes.append(f"context of {model.context_tokens} tokens")
    if model.max_output_tokens:
        notes.append(f"at most {model.max_output_tokens} tokens out")
    if model.HasField("price"):
        price = model.price
        notes.append(f"${price.input:g} in, ${price.output:g} out per million tokens")
    if not model.serving:
        notes.append("not serving")
    if model.description:
        notes.append(model.description)
    return notes


def _abilities(model: "Model") -> list[str]:
    """Return the names of the abilities that this version knows."""
    from tokenwire_client import Ability  # noqa: PLC0415 - see run

    known = [number for number in model.abilities if number in Ability.values()]
    return [Ability.Name(number).removeprefix("ABILITY_").lower() for number in known]
