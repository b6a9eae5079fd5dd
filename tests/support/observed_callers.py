"""A server with callers and a real store of limits that a real Prometheus scrapes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_server import RULES, Prometheus
from support.gateway import HELLO, GatewayWorld, gateway_world
from support.helpers import ended
from support.issuer import IssuerServer
from support.limit_servers import sent
from support.limits import KEY, OTHER_KEY, bearer, callers
from support.redis_server import redis_server

MODELS: dict[str, Any] = {"smart": {"routes": "one/a", "price": {"input": 1000, "output": 2000}}}
LIMITS = {"streams": 2, "requests": "10/d", "tokens": "1000/d", "dollars": "100/month"}
TEN = "tokens 10; finish; usage 20 10; done"
"""An answer of 30 tokens, which cost 4 cents."""
LONG = 'filler 100000 "word "; finish; usage 20 100000; done'
"""An answer that uses up the tokens."""
BROKEN = "status 400"
REFUSED = "http://127.0.0.1:1"


@asynccontextmanager
async def observed_callers(folder: Path) -> AsyncIterator[Prometheus]:
    """Run the server under Prometheus, make all calls, and wait until they are scraped.

    The caller `other` has made three calls, of which one failed. The caller `team` has made six:
    three were answered, one was rejected by `streams`, one was cut by `tokens/d`, and the last one
    was rejected by it. Another call of `team` is in flight.
    """
    async with AsyncExitStack() as stack:
        own = folder / "redis"
        own.mkdir()
        redis = await stack.enter_async_context(redis_server(own))
        issuer = await stack.enter_async_context(IssuerServer())
        world = await stack.enter_async_context(
            gateway_world(
                folder,
                MODELS,
                {"one": {}},
                callers=callers(**LIMITS),
                issuers={
                    "company": issuer.section(),
                    "away": {"issuer": REFUSED, "audience": "tokenwire"},
                },
                limits={"store": redis.url},
                usage_file=folder / "usage.jsonl",
            )
        )
        targets = {"gateway": [world.app.metrics_address]}
        prometheus = await stack.enter_async_context(Prometheus(folder, targets, RULES, interval=1))
        await prometheus.scraped()  # so that every counter is first seen at 0
        for plan in (TEN, TEN, BROKEN):
            await _call(world, OTHER_KEY, plan)
        upstream = world.upstreams["one"]
        running = await _calls_of_team(world)
        await prometheus.until("tokenwire_usage_records_written_total == 9")
        await prometheus.until("tokenwire_limit_updates_waiting == 0")
        await prometheus.until('tokenwire_issuer_fetches_total{issuer="away"} > 0')
        await prometheus.scraped()
        yield prometheus
        upstream.barrier("held").release()
        await running


async def _calls_of_team(world: GatewayWorld) -> "asyncio.Task[Any]":
    upstream = world.upstreams["one"]
    upstream.script("tokens 1; barrier held; answer")
    running = asyncio.create_task(ended(world.stub.Send(HELLO, metadata=bearer())))
    await upstream.barrier("held").reached()
    for _ in range(2):
        await _call(world, KEY, TEN)
    upstream.script("tokens 1; barrier second; answer")
    second = asyncio.create_task(ended(world.stub.Send(HELLO, metadata=bearer())))
    await upstream.barrier("second").reached()
    await _call(world, KEY)
    upstream.barrier("second").release()
    await second
    await sent(world)
    await _call(world, KEY, LONG)
    await _call(world, KEY)
    return running


async def _call(world: GatewayWorld, key: str, plan: str | None = None) -> None:
    """Make a call, however it ends; a rejected one needs no plan."""
    if plan:
        world.upstreams["one"].script(plan)
    await ended(world.stub.Send(HELLO, metadata=bearer(key)))
    # Until then the store counts the ended call as a running one.
    await sent(world)
