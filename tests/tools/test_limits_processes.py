"""The limits of callers over several processes, of which one is killed and one cut off."""

import asyncio
import json
import signal
import time
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest

from support.limit_load import LimitHistory, LimitLoad, stubs_of
from support.limits import callers
from support.process import ServerProcess
from support.redis_server import redis_server
from support.tcp_proxy import tcp_proxy
from tokenwire.core.limits import CallerLimits, Unit, Window
from tokenwire.limits.entries import LIFETIME_SECONDS
from tokenwire.limits.redis_store import RedisStore
from tokenwire.limits.store import Batch
from tokenwire_demo import DemoUpstream

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]

SERVERS = 3
CALLERS = 200
LIMIT = 100_000
WINDOW_SECONDS = 60.0
PART_SECONDS = 1.0
"""What is used leaves the window with the last moment of its part."""
LIMITS = CallerLimits(1_000, (Window(Unit.TOKENS, LIMIT, "m"),))


def gateway_file(base_url: str, store: str) -> str:
    """Return a file whose caller `team` has the limit."""
    file = {
        "upstreams": {"one": {"base_url": base_url}},
        "models": {"smart": {"routes": "one/b"}},
        "callers": callers(tokens=f"{LIMIT}/m", streams=1_000),
        "limits": {"store": store, "without_store": "refuse"},
    }
    return json.dumps(file)


async def used(store: RedisStore) -> dict[str, int]:
    """Return what the store says of the caller."""
    [reply] = await store.apply([Batch("team", LIMITS, [])])
    return dict(reply.used)


async def test_never_over_and_never_phantom(tmp_path: Path) -> None:
    """200 callers of a key at three servers get what the limit has, though a server is killed.

    One server is killed while it answers, and another one cannot reach the store for 10 s. In no
    minute do the callers get more than the limit and a slice for each running call; no call is
    refused or cut while more than a slice for each running call is free; and the store releases
    what the killed server had reserved within the lifetime of a lease.
    """
    folder = tmp_path / "redis"
    folder.mkdir()
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(redis_server(folder))
        upstream = await stack.enter_async_context(DemoUpstream())
        proxies = [await stack.enter_async_context(tcp_proxy(redis.port)) for _ in range(SERVERS)]
        servers: list[ServerProcess] = []
        for number, proxy in enumerate(proxies):
            path = tmp_path / f"{number}.yaml"
            path.write_text(gateway_file(upstream.base_url, f"redis://127.0.0.1:{proxy.port}/0"))
            server = ServerProcess("--config", str(path), env={"TOKENWIRE_MAX_STREAMS": "1000"})
            servers.append(await stack.enter_async_context(server))
        stubs = await stack.enter_async_context(stubs_of([each.address for each in servers]))
        store = await stack.enter_async_context(aclosing(RedisStore(redis.url)))
        load = LimitLoad(stubs)
        async with load.running(CALLERS):
            await asyncio.sleep(8)
            orphans = sum(call.server == 2 and call.ended > time.monotonic() for call in load.calls)
            load.gone.add(2)
            servers[2].signal(signal.SIGKILL)
            killed = time.monotonic()
            await asyncio.sleep(4)
            proxies[1].cut()
            await asyncio.sleep(10)
            proxies[1].heal()
            await asyncio.sleep(WINDOW_SECONDS)
        reasons = {call.reason for call in load.calls}
        assert reasons == {
            "",
            "LOST",
            "LIMITS_UNAVAILABLE",
            "CALLER_RATE_LIMITED",
            "CALLER_BUDGET_EXHAUSTED",
        }
        history = LimitHistory(load.calls, LIMIT)
        over = history.over(WINDOW_SECONDS)
        free = history.free(load.refusals(), WINDOW_SECONDS + PART_SECONDS, orphans)
        assert over <= 0
        assert free <= 0
        # More than the lifetime of a lease after the server was killed.
        async with asyncio.timeout(10):
            while (await used(store))["streams"]:  # noqa: ASYNC110 - another process's state
                await asyncio.sleep(0.1)
        assert time.monotonic() - killed > LIFETIME_SECONDS
