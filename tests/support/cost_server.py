"""A real server whose function calls are counted; tests/support/cost.py runs it.

It says its address, then answers each line on standard input with what it has
counted so far, and ends when that closes.
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
    """Count a call of a function, be it Python's or C's."""
    global calls  # noqa: PLW0603 - the profiler's hook has nowhere else to put it
    if event in ("call", "c_call"):
        calls += 1


def say(line: str) -> None:
    """Tell tests/support/cost.py something."""
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
