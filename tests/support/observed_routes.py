"""A server with a gateway file that a real Prometheus scrapes, under known traffic."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from prometheus_server import RULES, Prometheus
from support.gateway import GatewayWorld, gateway_world
from tokenwire.v1 import chatgpt_pb2 as pb

MODELS = {
    "fast": {"routes": ["failing/a", "steady/b"]},
    "lost": {"routes": ["limited/c"]},
    "busy": {"routes": ["full/d"]},
    "hedged": {"routes": ["slow/e", "swift/f"], "hedge_after": "50ms"},
}
UPSTREAMS: dict[str, dict[str, Any]] = {
    "failing": {},
    "steady": {},
    "limited": {},
    "full": {"max_streams": 1, "first_token_timeout": "600s"},
    "slow": {},
    "swift": {},
}


@asynccontextmanager
async def observed_routes(folder: Path) -> AsyncIterator[Prometheus]:
    """Run the server under Prometheus, make all calls, and wait until they are scraped.

    Sixteen calls have ended, of which two moved on and one asked a second route. One is in flight,
    and one waits for a route.
    """
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(gateway_world(folder, MODELS, UPSTREAMS))
        targets = {"gateway": [world.app.metrics_address]}
        prometheus = await stack.enter_async_context(Prometheus(folder, targets, RULES, interval=1))
        await prometheus.scraped()  # so that every counter is first seen at 0
        await _calls(world)
        full = world.upstreams["full"]
        full.script("barrier full; answer")
        calls = [asyncio.ensure_future(_ended(_ask(world, "busy"))) for _ in range(2)]
        await full.barrier("full").reached()
        await prometheus.until("tokenwire_route_waiting == 1")
        await prometheus.scraped()
        yield prometheus
        full.barrier("full").release()
        await asyncio.gather(*calls)


async def _calls(world: GatewayWorld) -> None:
    failing = world.upstreams["failing"]
    failing.script(*["answer"] * 5, "status 500", *["answer"] * 5, "status 500", "status 413")
    for _ in range(13):
        await _ended(_ask(world, "fast"))
    world.upstreams["limited"].script("answer", "status 429 retry-after=60")
    for _ in range(2):
        await _ended(_ask(world, "lost"))
    world.upstreams["slow"].script("stall")
    await _ended(_ask(world, "hedged"))


def _ask(world: GatewayWorld, model: str) -> Awaitable[pb.Answer]:
    return world.stub.Ask(pb.Message(content="hello", params=pb.Params(model=model)))


async def _ended(call: Awaitable[pb.Answer]) -> None:
    # How it ends is tested elsewhere.
    with contextlib.suppress(grpc.aio.AioRpcError):
        await call
