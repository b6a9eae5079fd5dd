"""Rows 40 and 41: how calls end when the server stops."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2

from support.health import NOT_SERVING, SERVING, health_of
from support.helpers import collect, reason_of
from support.waiting import within
from support.world import World, open_world
from tokenwire.app import STATUS_GRACE_SECONDS
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

OK = (grpc.StatusCode.OK, "")
UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "SERVER_SHUTTING_DOWN")
ABORTED = (grpc.StatusCode.ABORTED, "SERVER_SHUTTING_DOWN")
LAST_ERROR = "SERVER_SHUTTING_DOWN"

HOUR = 3_600
GRACE = 0.3
HEALTH = health_pb2.HealthCheckRequest(service="openai.Chatgpt")


async def drain_seconds(world: World) -> float:
    """Drain the server; return how long it took."""
    started = time.monotonic()
    await world.app.drain()
    return time.monotonic() - started


@asynccontextmanager
async def draining(world: World) -> AsyncIterator["asyncio.Task[None]"]:
    """Begin to drain; enter the block once a health watch has received NOT_SERVING."""
    watch = health_of(world.channel).Watch(HEALTH)
    assert (await watch.read()).status == SERVING
    task = asyncio.create_task(world.app.drain())
    assert (await watch.read()).status == NOT_SERVING
    try:
        yield task
    finally:
        watch.cancel()
        task.cancel()


def refuses_connections(world: World) -> bool:
    host, _, port = world.app.address.rpartition(":")
    with socket.socket() as caller:
        return caller.connect_ex((host, int(port))) != 0


async def test_row_40_before_the_listener_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the listener closes, health is NOT_SERVING and all calls are still answered."""
    async with open_world(monkeypatch, drain_seconds=HOUR) as world:
        own_connection = [("grpc.use_local_subchannel_pool", 1)]
        async with (
            draining(world),
            grpc.aio.insecure_channel(world.app.address, options=own_connection) as channel,
        ):
            assert (await health_of(channel).Check(HEALTH)).status == NOT_SERVING
            await collect(chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello")))
            _, error = await world.ended(world.send())
            assert error is None
        await world.check_all([OK, OK])


async def test_row_40_running_answers_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the listener has closed, running answers complete before the server stops."""
    async with open_world(monkeypatch, grace_seconds=HOUR) as world:
        world.upstream.script("tokens 1; barrier running; answer")
        running = asyncio.create_task(world.ended(world.send()))
        await world.upstream.barrier("running").reached()
        async with draining(world) as task:
            await within(5, "the listener closed", lambda: refuses_connections(world))
            assert not task.done()
            world.upstream.barrier("running").release()
            _, error = await running
            assert error is None
            await task
        await world.check_all([OK])


@pytest.mark.parametrize("plan", ["barrier here", "headers; barrier here"])
async def test_row_41_before_the_first_token(monkeypatch: pytest.MonkeyPatch, plan: str) -> None:
    """A call without a token at the end of the grace period is UNAVAILABLE."""
    async with open_world(monkeypatch, grace_seconds=GRACE) as world:
        world.upstream.script(plan)
        call = asyncio.create_task(world.ended(world.send()))
        await world.upstream.barrier("here").reached()
        assert GRACE <= await drain_seconds(world) < GRACE + STATUS_GRACE_SECONDS
        answers, error = await call
        assert answers == []
        assert error is not None
        assert (error.code(), reason_of(error)) == UNAVAILABLE
        await world.check_all([UNAVAILABLE])


async def test_row_41_after_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of the grace period, a begun answer is ABORTED; its last Answer has the reason."""
    async with open_world(monkeypatch, grace_seconds=GRACE) as world:
        world.upstream.script("tokens 3; stall")
        call = world.send()
        await anext(aiter(call))
        assert GRACE <= await drain_seconds(world) < GRACE + STATUS_GRACE_SECONDS
        answers, error = await world.ended(call)
        assert answers[-1].error == LAST_ERROR
        assert error is not None
        assert (error.code(), reason_of(error)) == ABORTED
        await world.check_all([ABORTED])


async def test_row_41_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of the grace period, queued calls are UNAVAILABLE; none reaches the upstream."""
    limits = {"max_streams": 1, "max_queue": 2, "queue_timeout_seconds": HOUR}
    async with open_world(monkeypatch, grace_seconds=GRACE, **limits) as world:
        world.upstream.script("barrier here")
        calls = [asyncio.create_task(world.ended(world.send())) for _ in range(3)]
        await world.upstream.barrier("here").reached()
        requests = world.upstream.requests_seen
        await drain_seconds(world)
        for _, error in await asyncio.gather(*calls):
            assert error is not None
            assert (error.code(), reason_of(error)) == UNAVAILABLE
        assert world.upstream.requests_seen == requests
        await world.check_all([UNAVAILABLE] * 3)


async def test_row_41_between_any_two_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """At any token rate, each call gets its status and reason at the end of the grace period."""
    async with open_world(monkeypatch, grace_seconds=GRACE) as world:
        await world.warm_up(20)
        world.upstream.script(*["drip every=0"] * 20)
        calls = [world.send() for _ in range(20)]
        for call in calls:
            await anext(aiter(call))
        reading = asyncio.gather(*(world.ended(call) for call in calls))
        assert await drain_seconds(world) < GRACE + STATUS_GRACE_SECONDS
        for answers, error in await reading:
            assert error is not None
            assert (error.code(), reason_of(error)) == ABORTED
            assert answers[-1].error == LAST_ERROR
        await world.check_all([ABORTED] * 20)


async def test_row_40_a_crowd_when_the_listener_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call sent before the listener closes is answered or UNAVAILABLE."""
    # A client sends no calls beyond the connection's limit, so the limit admits all of them.
    room = {"max_streams_per_connection": 400}
    async with open_world(monkeypatch, grace_seconds=HOUR, **room) as world:
        await world.warm_up(20)
        calls = asyncio.gather(*(world.ended(world.send()) for _ in range(300)))
        await world.upstream.wait_for_requests(world.upstream.requests_seen + 1)
        await world.app.drain()
        endings = [
            OK if error is None else (error.code(), reason_of(error)) for _, error in await calls
        ]
        assert set(endings) <= {OK, UNAVAILABLE}
        await world.check_all(endings)
