"""Servers that count the limits of callers together in a real store."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from support.gateway import HELLO, GatewayWorld, gateway_world
from support.helpers import collect
from support.limits import bearer, callers
from tokenwire.limits.shared import SharedLeases

MODELS: dict[str, Any] = {"smart": {"routes": "one/b"}}
UPSTREAMS: dict[str, dict[str, Any]] = {"one": {}}
TEN = "tokens 10; finish; usage 20 10; done"
"""An answer that uses 30 tokens."""


@asynccontextmanager
async def servers(
    store: str,
    folder: Path,
    number: int,
    without_store: str = "local",
    settings: Mapping[str, Any] | None = None,
    **limits: Any,
) -> AsyncIterator[list[GatewayWorld]]:
    """Run servers with a store, whose caller `team` has limits."""
    async with AsyncExitStack() as stack:
        worlds = []
        for index in range(number):
            own = folder / str(index)
            own.mkdir()
            world = gateway_world(
                own,
                MODELS,
                UPSTREAMS,
                callers=callers(**limits),
                limits={"store": store, "without_store": without_store},
                **(settings or {}),
            )
            worlds.append(await stack.enter_async_context(world))
        yield worlds


async def send(world: GatewayWorld, plan: str = TEN) -> None:
    """Make a call of the caller `team` that succeeds."""
    world.upstreams["one"].script(plan)
    await collect(world.stub.Send(HELLO, metadata=bearer()))


def shared_of(world: GatewayWorld) -> SharedLeases:
    """Return what tells the store of the leases of a server."""
    assert world.app.offer.gateway
    shared = world.app.offer.gateway.limiter.shared
    assert shared
    return shared


async def sent(world: GatewayWorld) -> None:
    """Wait until the store knows all that a server has to tell."""
    async with asyncio.timeout(20):
        while shared_of(world).unsent:  # noqa: ASYNC110 - a state, not an event
            await asyncio.sleep(0.01)


async def back(world: GatewayWorld) -> None:
    """Wait until the store answers again."""
    async with asyncio.timeout(30):
        while shared_of(world).away:  # noqa: ASYNC110 - a state, not an event
            await asyncio.sleep(0.01)
