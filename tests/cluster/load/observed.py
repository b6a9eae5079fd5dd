"""Keeps calls of every outcome running, for the dashboards: observed.py TARGET KEY LIMITED_KEY.

LIMITED_KEY is that of a caller whose calls are mostly rejected by its limits. The calls end with
standard input.
"""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from tokenwire_client import ChatError, Client

WHOLE = "pace tokens-per-second=20; tokens 5; finish; usage 20 5 4 1; done"
HEDGED = f"wait 0.3; {WHOLE}"
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    (WHOLE, {}),
    (WHOLE, {"model": "moving"}),
    (HEDGED, {"model": "hedged"}),
    ("status 500", {}),
    ("tokens 2; reset", {}),
    ("headers; stall", {"timeout": 0.5}),
    ("tokens 2; stall", {"timeout": 0.5}),
)
"""The upstream's plan, and the options of the call."""


async def call(client: Client, plan: str, options: dict[str, Any]) -> None:
    """Make a call, however it ends."""
    with contextlib.suppress(ChatError):
        async for _ in client.send(f"[[demo: {plan}]]" if plan else "", **options):
            pass


async def leave(client: Client, plan: str) -> None:
    """Make a call and cancel it after half a second."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await call(client, plan, {})


async def repeat(make: Callable[[], Awaitable[None]]) -> None:
    """Make calls of one kind, one after the other, about four a second at most."""
    while True:
        await make()
        await asyncio.sleep(0.25)


async def run(target: str, key: str, limited_key: str) -> None:
    """Make calls of all kinds at once."""
    async with Client(target, key=key) as client, Client(target, key=limited_key) as limited:
        kinds = [
            *(partial(call, client, plan, options) for plan, options in CALLS),
            partial(call, client, "", {}),
            partial(leave, client, "headers; stall"),
            partial(leave, client, "tokens 2; stall"),
            partial(call, limited, WHOLE, {}),
        ]
        await asyncio.gather(*map(repeat, kinds))


async def main() -> None:
    """Make calls until standard input ends."""
    calls = asyncio.create_task(run(*sys.argv[1:]))
    await asyncio.to_thread(sys.stdin.read)
    calls.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await calls


asyncio.run(main())
