"""Services with TLS faults."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Awaitable, Callable
from pathlib import Path

from support.certificates import Pair, answer_of, caller, mounted
from tokenwire.app import App
from tokenwire_client import ChatError

Serve = Callable[..., Awaitable[App]]
"""Starts a server as a job, with the given settings."""
Fault = Callable[[], Awaitable[None]]


async def start_tls(serve: Serve, folder: Path) -> list[Fault]:
    """Start a server for each fault; return the functions that begin the faults."""
    hour = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    pair = Pair()
    well = mounted(folder / "tls-well", pair)
    app = await serve("tls-well", **well.settings)
    await serve("expiring", **mounted(folder / "expiring", Pair(not_after=hour)).settings)
    mismatched = mounted(folder / "mismatched", pair)
    await serve("mismatched", **mismatched.settings)
    distrusted = await serve("distrusted", **mounted(folder / "distrusted", pair).settings)

    async def mismatch() -> None:
        mismatched.put_files({"tls.crt": pair.certificate, "tls.key": Pair().key})

    return [
        mismatch,
        lambda: _connect_again_and_again(app, pair.authority),
        lambda: _connect_again_and_again(distrusted, Pair().authority),
    ]


async def _connect_again_and_again(app: App, authority: bytes) -> None:
    """Make a call on a new connection every second."""
    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(_call(app, authority))
            await asyncio.sleep(1)


async def _call(app: App, authority: bytes) -> None:
    with contextlib.suppress(ChatError):
        await answer_of(caller(app.address, authority))
