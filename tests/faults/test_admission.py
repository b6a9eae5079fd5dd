"""Row 35: calls over the concurrency limit, and calls that wait for a slot."""

import asyncio
import random
import time
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from support.health import SERVING, health_of
from support.helpers import reason_of, retry_delay_of
from support.waiting import within
from support.world import World, open_world

OK = (grpc.StatusCode.OK, "")
OVERLOADED = (grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVER_OVERLOADED")
CANCELLED = (grpc.StatusCode.CANCELLED, "")
HEALTH_CHECK = health_pb2.HealthCheckRequest(service="openai.Chatgpt")
LONG = {"max_streams": 1, "max_queue": 3, "queue_timeout_seconds": 30}
"""One slot, and a queue with a long timeout."""


def queue_length(world: World) -> float | None:
    return world.app.metrics.registry.get_sample_value("tokenwire_queue_length")


async def hold(world: World, places: int) -> "list[asyncio.Task[Any]]":
    """Occupy `places` slots with answers that wait at the barrier `hold`."""
    world.upstream.script(*["barrier hold; answer"] * places)
    held = [asyncio.create_task(world.ended(world.send())) for _ in range(places)]
    await world.upstream.barrier("hold").reached(places)
    return held


async def let_go(world: World, held: "list[asyncio.Task[Any]]") -> None:
    """Release the held answers and check that they succeed."""
    world.upstream.barrier("hold").release()
    for _, error in await asyncio.gather(*held):
        assert error is None


async def queued(world: World, count: int, content: str) -> "asyncio.Task[Any]":
    """Begin a call and return its task once the queue holds `count` calls."""
    call = asyncio.create_task(world.ended(world.send(content)))
    await within(5, f"{count} in the queue", lambda: queue_length(world) == count)
    return call


async def rejection_seconds(world: World) -> float:
    """Make a call that must be rejected; return how long its caller waited for the status."""
    started = time.monotonic()
    answers, error = await world.ended(world.send())
    seconds = time.monotonic() - started
    assert error is not None
    assert (error.code(), reason_of(error)) == OVERLOADED
    assert retry_delay_of(error) == 1
    assert answers == []
    return seconds


@pytest.mark.parametrize("max_queue", [0, 100])
async def test_row_35_over_the_limit(monkeypatch: pytest.MonkeyPatch, max_queue: int) -> None:
    """A call over the limit is rejected within 50 ms and causes no upstream request."""
    async with open_world(monkeypatch, max_streams=2, max_queue=max_queue) as world:
        await world.warm_up(2)
        held = await hold(world, 2)
        requests = world.upstream.requests_seen
        # Take the fastest of several calls, because other programs share the machine.
        assert min([await rejection_seconds(world) for _ in range(5)]) <= 0.05
        assert world.upstream.requests_seen == requests
        await let_go(world, held)
        await world.check_all([OK] * 2 + [OVERLOADED] * 5)


async def test_row_35_over_the_queues_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that finds the queue full is rejected at once, and the queued calls keep waiting."""
    async with open_world(monkeypatch, **LONG) as world:
        held = await hold(world, 1)
        waiting = [await queued(world, count, "waits") for count in (1, 2, 3)]
        assert min([await rejection_seconds(world) for _ in range(5)]) <= 0.05
        assert queue_length(world) == 3
        await let_go(world, held + waiting)
        await world.check_all([OK] * 4 + [OVERLOADED] * 5)


async def test_row_35_a_place_that_becomes_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queued calls get free slots in the order of their arrival, one at a time."""
    async with open_world(monkeypatch, **LONG) as world:
        upstream = world.upstream
        names = ["first", "second", "third", "fourth"]
        upstream.script(*[f"barrier {name}; answer" for name in names])
        calls = [asyncio.create_task(world.ended(world.send("first")))]
        await upstream.barrier("first").reached()
        calls += [await queued(world, count, name) for count, name in enumerate(names[1:], 1)]
        for call, name in zip(calls, names, strict=True):
            await upstream.barrier(name).reached()
            assert upstream.active_requests == 1
            assert upstream.requests[-1].body["messages"][-1]["content"] == name
            upstream.barrier(name).release()
            _, error = await call
            assert error is None
        await world.check_all([OK] * 4)


async def test_row_35_the_queues_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queued call is rejected when queue_timeout_seconds has passed, and not earlier."""
    limits = {"max_streams": 1, "max_queue": 1, "queue_timeout_seconds": 0.2}
    async with open_world(monkeypatch, **limits) as world:
        held = await hold(world, 1)
        waits = [await rejection_seconds(world) for _ in range(5)]
        assert 0.2 <= min(waits) <= 0.25
        await let_go(world, held)
        await world.check_all([OK] + [OVERLOADED] * 5)


async def test_row_35_the_callers_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queued call whose deadline passes is DEADLINE_EXCEEDED and leaves the queue."""
    async with open_world(monkeypatch, **LONG) as world:
        held = await hold(world, 1)
        requests = world.upstream.requests_seen
        _, error = await world.ended(world.send(timeout=0.1))
        assert error is not None
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await within(10, "the queue empty", lambda: queue_length(world) == 0)
        await let_go(world, held)
        assert world.upstream.requests_seen == requests
        await world.check_all([OK, (grpc.StatusCode.DEADLINE_EXCEEDED, "")])


async def test_row_35_cancelled_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queued call that is cancelled leaves the queue at once, and the next call moves up."""
    async with open_world(monkeypatch, **LONG) as world:
        held = await hold(world, 1)
        leaving = world.send("leaves")
        await within(5, "one in the queue", lambda: queue_length(world) == 1)
        staying = await queued(world, 2, "stays")
        leaving.cancel()
        await within(10, "one has left the queue", lambda: queue_length(world) == 1)
        await let_go(world, [*held, staying])
        prompts = [each.body["messages"][-1]["content"] for each in world.upstream.requests]
        assert "leaves" not in prompts
        await world.check_all([OK, OK, CANCELLED])


async def test_row_35_health_and_reflection_are_exempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without a free slot still answers health checks and reflection."""
    async with open_world(monkeypatch, max_streams=1, max_queue=0) as world:
        held = await hold(world, 1)
        await rejection_seconds(world)
        health = health_of(world.channel)
        assert (await health.Check(HEALTH_CHECK)).status == SERVING
        watch = health.Watch(HEALTH_CHECK)
        assert (await watch.read()).status == SERVING
        watch.cancel()
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(world.channel)  # type: ignore[arg-type] # its types lack grpc.aio
        listing = stub.ServerReflectionInfo()
        await listing.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        services = (await listing.read()).list_services_response.service
        assert "openai.Chatgpt" in [service.name for service in services]
        await listing.done_writing()
        await let_go(world, held)
        await world.check_all([OK, OVERLOADED])


async def end_somehow(world: World, chance: random.Random) -> None:
    """Make a call that succeeds, fails, is cancelled, exceeds its deadline or is rejected."""
    match chance.randrange(4):
        case 0:
            await world.ended(world.send())
        case 1:
            await world.ended(world.send("[[demo: tokens 2; reset]]"))
        case 2:
            await world.ended(world.send("[[demo: stall]]", timeout=chance.uniform(0.001, 0.05)))
        case _:
            call = world.send("[[demo: tokens 1; stall]]")
            # This waits for no event: the call may be cancelled at any moment.
            await asyncio.sleep(chance.uniform(0, 0.05))
            call.cancel()


async def test_row_35_places_never_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """After hundreds of calls that ended in every way, as many slots are free as before."""
    limits = {"max_streams": 4, "max_queue": 3, "queue_timeout_seconds": 0.02}
    async with open_world(monkeypatch, **limits) as world:
        await world.warm_up(4)
        chance = random.Random(35)  # noqa: S311 - repeatable, and not a secret
        for _ in range(40):
            await asyncio.gather(*(end_somehow(world, chance) for _ in range(10)))
        await world.at_rest()
        await world.warm_up(4)
        held = await hold(world, 4)
        await rejection_seconds(world)
        await let_go(world, held)
        await world.check_all([OK] * 4 + [OVERLOADED])
