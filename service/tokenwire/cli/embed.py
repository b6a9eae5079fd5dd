"""`tokenwire embed`: the vectors of texts."""

import argparse
import json
import sys
from array import array
from typing import TYPE_CHECKING

from tokenwire.cli._connection import add_connection_options, seconds, silence_grpc
from tokenwire.cli._key import add_key_options
from tokenwire.cli._streams import allow_interrupts
from tokenwire.cli._values import integer, unicode

if TYPE_CHECKING:
    from tokenwire_client import EmbedResponse


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `embed`."""
    parser = subparsers.add_parser(
        "embed",
        help="turn texts into vectors through a tokenwire server",
        description=(
            "Print the vector of each TEXT as a JSON array on a line of its own, in the order of\n"
            "the texts. The number of vectors, their length and the usage go to stderr."
        ),
        epilog=(
            "example:\n"
            '  tokenwire embed --model text-embedding-3-small "a cat" "a dog" > vectors.jsonl\n'
            "\n"
            "exit codes: 0 printed, 1 failed, 2 bad arguments, 130 cancelled by Ctrl-C"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("texts", nargs="+", type=unicode, metavar="TEXT", help="a text")
    add_connection_options(parser)
    add_key_options(parser)
    parser.add_argument(
        "--model", type=unicode, default="", metavar="NAME", help="the model to ask"
    )
    parser.add_argument(
        "--dimensions", type=integer(32), metavar="N", help="the length of the vectors"
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help="cancel the call after this time (default: no timeout)",
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="print only vectors and errors, no statistics"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the vectors and return the exit code."""
    silence_grpc()
    # Here, so that other subcommands and --help start without gRPC.
    from tokenwire.cli._call import call_and_show  # noqa: PLC0415

    allow_interrupts()
    return call_and_show(
        args,
        lambda client: client.embed(
            args.texts, model=args.model, dimensions=args.dimensions, timeout=args.timeout
        ),
        lambda response: _show(response, quiet=args.quiet),
    )


def _show(response: "EmbedResponse", *, quiet: bool) -> None:
    for vector in response.vectors:
        print(json.dumps([_shortest(number) for number in vector.values]))
    if quiet:
        return
    length = len(response.vectors[0].values) if response.vectors else 0
    usage = (
        f"{response.usage.input_tokens} tokens in"
        if response.HasField("usage")
        else "usage not reported"
    )
    print(f"vectors: {len(response.vectors)}, numbers: {length}, {usage}", file=sys.stderr)


def _shortest(number: float) -> float:
    """Return the number with the fewest digits that is the same 32-bit float.

    Python's own text of a 32-bit float has up to 17 digits; nine identify it.
    """
    rounded = (float(f"{number:.{digits}g}") for digits in range(6, 9))
    same = array("f", [number])
    return next((each for each in rounded if array("f", [each]) == same), float(f"{number:.9g}"))
