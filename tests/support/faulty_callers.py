"""Services whose callers use up their limits, or whose store of limits is away."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc

from support.faulty_routes import GatewayFiles
from support.limits import OTHER_KEY, bearer, callers
from support.observed import caller
from support.redis_server import RedisServer
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb

Serve = Callable[..., Awaitable[App]]
"""Starts a server as a job, with the given settings."""
Fault = Callable[[], Awaitable[None]]
SECONDS_BETWEEN = 0.2
A_DAY = 10
"""The calls of a day that the caller `team` may make."""


async def start_callers(serve: Serve, stack: AsyncExitStack, folder: Path) -> list[Fault]:
    """Start a server for each fault; return the functions that begin the faults."""
    files = GatewayFiles(stack, folder)

    async def started(job: str, sections: dict[str, Any] | None = None, **limits: Any) -> App:
        path = await files.write(job, [], callers=callers(**limits), **(sections or {}))
        return await serve(job, config=path)

    near = await started("caller-near-limit", requests=f"{A_DAY}/d")
    limited = await started("caller-limited", requests="1/s")
    own = folder / "redis"
    own.mkdir()
    redis = RedisServer(own)
    await redis.start()
    stack.push_async_callback(redis.kill)
    away = await started("store-away", {"limits": {"store": redis.url}}, tokens="1000000/m")
    return [
        lambda: _use_up(near),
        lambda: _call_again_and_again(limited),
        lambda: _call_again_and_again(away, after=redis.kill),
    ]


async def _use_up(app: App) -> None:
    """Use a limit up without a rejected call, while another caller goes on."""
    async with caller(app.address) as stub:
        for _ in range(A_DAY):
            await stub.Ask(pb.Message(content="hello"), metadata=bearer())
    await _call_again_and_again(app, OTHER_KEY)


async def _call_again_and_again(
    app: App, key: str | None = None, after: Fault | None = None
) -> None:
    metadata = bearer(key) if key else bearer()
    async with caller(app.address) as stub:
        for number in itertools.count():
            if after and number == 1:
                await after()
            # How it ends is seen in the metrics.
            with contextlib.suppress(grpc.aio.AioRpcError):
                await stub.Ask(pb.Message(content="hello"), metadata=metadata)
            await asyncio.sleep(SECONDS_BETWEEN)
