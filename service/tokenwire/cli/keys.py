"""`tokenwire keys`: make keys for callers."""

import argparse
import hashlib
import secrets
import string
import sys
from typing import Final

ALPHABET: Final = string.ascii_letters + string.digits
SECRET_CHARACTERS: Final = 32
"""190 bits."""
MIN_CHARACTERS: Final = 20
"""Of a key that was made elsewhere: a shorter one could be found by trying."""
EXIT_BAD_KEY: Final = 2


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `keys`."""
    parser = subparsers.add_parser(
        "keys",
        help="make a key for a caller, and its line for the gateway file",
        description="Make keys for callers. The gateway file has only their hashes, so that who "
        "reads it cannot call.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    new = commands.add_parser(
        "new",
        help="print a new key, and its hash",
        description="Print a new key, once, to stdout, and its line for the gateway file to "
        "stderr.",
    )
    new.add_argument("name", metavar="NAME", type=_name, help="the caller, as a part of the key")
    new.set_defaults(run=_new)
    of_key = commands.add_parser(
        "hash",
        help="print the hash of a key",
        description="Read a key from stdin and print its line for the gateway file.",
    )
    of_key.set_defaults(run=_hash)


def _name(text: str) -> str:
    # Here, so that other subcommands and --help start without it.
    from tokenwire.config.gateway.callers import CALLER_NAME, CALLER_NAME_RULE  # noqa: PLC0415

    if not CALLER_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} {CALLER_NAME_RULE}")
    return text


def _new(args: argparse.Namespace) -> int:
    secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_CHARACTERS))
    key = f"tw_{args.name}_{secret}"
    print(key)
    print(f"the line for the gateway file, under callers.{args.name}.keys:", file=sys.stderr)
    print(f"  - {hash_of(key)}", file=sys.stderr)
    return 0


def _hash(_: argparse.Namespace) -> int:
    key = sys.stdin.readline().strip()
    if len(key) < MIN_CHARACTERS:
        print(
            f"tokenwire: the key has {len(key)} characters and needs {MIN_CHARACTERS} or more",
            file=sys.stderr,
        )
        return EXIT_BAD_KEY
    print(hash_of(key))
    return 0


def hash_of(key: str) -> str:
    """Return the hash of a key, as the gateway file has it."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
