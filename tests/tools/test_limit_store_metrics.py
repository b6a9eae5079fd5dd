"""What a scrape tells of a real Redis that counts the limits of callers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from support.exposed import Exposed, read
from support.gateway import HELLO, GatewayWorld, gateway_world
from support.helpers import collect
from support.limits import bearer, callers
from support.redis_server import RedisServer
from tokenwire.limits import session, shared

pytestmark = [pytest.mark.tools, pytest.mark.timeout(120)]

MODELS: dict[str, Any] = {"smart": {"routes": "one/b"}}
UPSTREAMS: dict[str, dict[str, Any]] = {"one": {}}
UP = "tokenwire_limit_store_up"
FAILURES = "tokenwire_limit_store_failures_total"
ANSWERED = "tokenwire_limit_store_request_seconds_count"
WAITING = "tokenwire_limit_updates_waiting"
BEGINNING = "tokenwire_limit_calls_waiting"
LOST = "tokenwire_limit_updates_lost_total"


@pytest.fixture
async def world(redis: RedisServer, tmp_path: Path) -> AsyncIterator[GatewayWorld]:
    """Run a server that counts in the store, and alone while it is away."""
    async with gateway_world(
        tmp_path,
        MODELS,
        UPSTREAMS,
        callers=callers(tokens="100000/d"),
        limits={"store": redis.url},
    ) as running:
        yield running


async def until(world: GatewayWorld, holds: Callable[[Exposed], bool]) -> Exposed:
    """Read the metrics until a condition holds, and return them."""
    async with asyncio.timeout(30):
        while not holds(exposed := await read(world.app)):  # noqa: ASYNC110 - a scrape raises no event
            await asyncio.sleep(0.05)
    return exposed


async def send(world: GatewayWorld) -> None:
    """Make a call of the caller `team` that succeeds."""
    await collect(world.stub.Send(HELLO, metadata=bearer()))


async def test_a_store_that_answers(world: GatewayWorld) -> None:
    """Each answered request counts with its time, and nothing waits after it."""
    await send(world)
    exposed = await until(world, lambda each: each.value(WAITING) == 0)
    assert exposed.value(UP) == 1
    assert exposed.value(ANSWERED) == 2
    assert exposed.total(FAILURES) == 0
    assert exposed.value(LOST) == 0
    largest = "tokenwire_limit_store_request_seconds_bucket"
    assert exposed.value(largest, le="0.25") == 2


async def test_a_store_that_is_killed(redis: RedisServer, world: GatewayWorld) -> None:
    """While the store is away it is down, and what it has to be told waits until it is back."""
    await send(world)
    # The start of the call and its end.
    await until(world, lambda each: each.value(ANSWERED) == 2)
    await redis.kill()
    await send(world)
    exposed = await until(world, lambda each: each.value(UP) == 0)
    assert exposed.value(FAILURES, cause="unreachable") >= 1
    assert exposed.value(WAITING) == 1
    await redis.start()
    await until(world, lambda each: each.value(UP) == 1 and each.value(WAITING) == 0)


async def test_a_store_that_is_silent(redis: RedisServer, world: GatewayWorld) -> None:
    """A store that does not answer in time fails by timeout."""
    redis.freeze()
    await send(world)
    exposed = await until(world, lambda each: each.value(UP) == 0)
    assert exposed.value(FAILURES, cause="timeout") >= 1
    redis.thaw()


async def test_calls_that_wait_are_counted(
    redis: RedisServer, world: GatewayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that the store has to answer before it begins waits in a gauge."""
    for module in (session, shared):
        monkeypatch.setattr(module, "ANSWER_SECONDS", 30)
    redis.freeze()
    call = asyncio.create_task(send(world))
    await until(world, lambda each: each.value(BEGINNING) == 1)
    redis.thaw()
    await call
    assert (await read(world.app)).value(BEGINNING) == 0


async def test_lost_updates_are_counted(
    redis: RedisServer, world: GatewayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leases that are forgotten, because too many wait for the store, are counted."""
    monkeypatch.setattr(shared, "MAX_UNSENT", 2)
    await redis.kill()
    for _ in range(5):
        await send(world)
    exposed = await read(world.app)
    assert exposed.value(LOST) == 3
    assert exposed.value(WAITING) == 2


async def test_a_file_without_the_store(redis: RedisServer, world: GatewayWorld) -> None:
    """After the store has left the file there are no metrics of it; they go on when it is back."""
    await send(world)
    await until(world, lambda each: each.value(ANSWERED) == 2)
    world.write(MODELS, UPSTREAMS, callers(tokens="100000/d"))
    await world.reloaded()
    names = {name for name, _ in (await read(world.app)).values}
    assert not {UP, ANSWERED, WAITING, BEGINNING, LOST, FAILURES} & names
    section = {"store": redis.url}
    world.write(MODELS, UPSTREAMS, callers(tokens="100000/d"), limits=section)
    await world.reloaded()
    exposed = await read(world.app)
    assert exposed.value(UP) == 1
    assert exposed.value(ANSWERED) == 2
