"""Measures what a wrong key costs the authenticator: `make bench-keys`.

The gateway file of the benchmark has as many callers and keys as a file can have. The figures are
those of the authenticator alone; `make bench` has the cost of a whole call.
"""

import argparse
import asyncio
import hashlib
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from tokenwire.config.gateway.callers import MAX_CALLER_KEYS, MAX_CALLERS
from tokenwire.core.caller import Caller
from tokenwire.core.callers import MAX_KEY_BYTES, Callers, Key
from tokenwire.core.errors import CredentialsInvalid
from tokenwire.core.subjects import Subjects
from tokenwire.server.authentication import Authenticate, Authenticator
from tokenwire.server.interceptors.base import Metadata

LIMIT_MICROSECONDS: Final = 50.0
"""A core then refuses 20,000 wrong keys a second, more calls than it can accept."""
COUNT: Final = 10_000


def random_key() -> str:
    """Return a key of the usual form."""
    return f"tw_bench_{secrets.token_hex(16)}"


KINDS: Final[dict[str, Callable[[], str]]] = {
    "of the usual form": random_key,
    "short": lambda: secrets.token_hex(2),
    "of the largest size": lambda: secrets.token_hex(MAX_KEY_BYTES // 2),
    "too large": lambda: secrets.token_hex(MAX_KEY_BYTES),
}


def callers() -> Callers:
    """Return the most callers with the most keys."""
    all_callers = [Caller(f"caller-{number}") for number in range(MAX_CALLERS)]
    return Callers(
        all_callers,
        (
            Key(hashlib.sha256(random_key().encode()).digest(), caller)
            for caller in all_callers
            for _ in range(MAX_CALLER_KEYS)
        ),
        Subjects(()),
    )


def measure(count: int = COUNT) -> Iterator[tuple[str, float]]:
    """Yield each kind of wrong keys and the microseconds that one costs.

    Args:
        count: The number of keys of each kind, all of them different.
    """
    known = callers()
    authenticate = Authenticator(lambda: known).authenticate
    # A key counts before the connection is looked at.
    context: Any = None
    for kind, make in KINDS.items():
        calls = [(("authorization", f"Bearer {make()}"),) for _ in range(count)]
        refused, seconds = asyncio.run(_refuse(authenticate, calls, context))
        if refused != count:
            raise SystemExit(f"{count - refused} wrong keys were accepted")
        yield kind, seconds / count * 1e6


async def _refuse(
    authenticate: Authenticate, calls: Sequence[Metadata], context: Any
) -> tuple[int, float]:
    """Return how many calls were refused, and the seconds that this took."""
    refused = 0
    started = time.perf_counter()
    for metadata in calls:
        try:
            await authenticate(metadata, context)
        except CredentialsInvalid:
            refused += 1
    return refused, time.perf_counter() - started


def main() -> None:
    """Print the figures; exit with 1 if one is above the limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wrong_keys", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="how many keys of each kind")
    slowest = 0.0
    for kind, microseconds in measure(parser.parse_args().count):
        print(f"{kind:20} {microseconds:6.1f} µs")
        slowest = max(slowest, microseconds)
    if slowest > LIMIT_MICROSECONDS:
        sys.exit(f"a wrong key must cost less than {LIMIT_MICROSECONDS:.0f} µs")


if __name__ == "__main__":
    main()
