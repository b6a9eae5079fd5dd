"""A server that counts its function calls; tests/support/cost.py runs it.

It prints its address, then responds to each line on standard input with its current counts, and
ends when standard input closes.
"""

import asyncio
import gc
import json
import sys

from tokenwire import config
from tokenwire.app import App
from tokenwire.observability import logs

calls = 0


def count(_frame: object, event: str, _argument: object) -> None:
    """Count a call of a Python or C function."""
    global calls  # noqa: PLW0603 - the profiler's hook has no other place for it
    if event in ("call", "c_call"):
        calls += 1


def say(line: str) -> None:
    """Print a line for tests/support/cost.py."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main() -> None:
    """Serve until standard input closes."""
    loaded = config.load(listen="127.0.0.1:0", metrics_listen="127.0.0.1:0", grace_seconds=0)
    logs.configure(loaded)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    async with App(loaded) as app:
        say(app.address)
        sys.setprofile(count)
        while await lines.readline():
            gc.collect()
            say(json.dumps({"calls": calls, "blocks": sys.getallocatedblocks()}))
        sys.setprofile(None)


asyncio.run(main())
