"""Row 40: calls other than answers do not delay a stop."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from support import http2
from support.health import NOT_SERVING, SERVING, health_of
from support.helpers import sample
from support.waiting import within
from support.world import World, open_world
from tokenwire.v1 import chatgpt_pb2 as pb

SEND = "/openai.Chatgpt/Send"
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
LIST_SERVICES = b"\x3a\x00"

OK = (grpc.StatusCode.OK, "")
UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "SERVER_SHUTTING_DOWN")

HOUR = 3_600
AT_ONCE = 1.0
"""Well above the duration of a stop that waits for nothing."""


@asynccontextmanager
async def stopped_at_once(world: World) -> AsyncIterator[None]:
    """Begin a stop with an hour of grace; after the block, check that it ends at once."""
    started = time.monotonic()
    stopping = asyncio.create_task(world.app.drain())
    try:
        yield
        await stopping
    finally:
        stopping.cancel()
    # Rejecting new callers takes a moment in any case.
    assert time.monotonic() - started < AT_ONCE


def waiting(world: World) -> float:
    return sample(world.metrics(), "tokenwire_incomplete_requests") or 0


@pytest.mark.parametrize("method", [SEND, CHECK, WATCH])
async def test_row_40_a_call_without_a_message(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A call whose message has not arrived is UNAVAILABLE when the listener closes."""
    async with open_world(monkeypatch, grace_seconds=HOUR) as world:
        async with http2.connect(world.app.address) as caller:
            await caller.send(http2.call(1, method))
            await within(5, "it waits", lambda: waiting(world) == 1)
            async with stopped_at_once(world):
                await caller.status(grpc.StatusCode.UNAVAILABLE.value[0])
        await world.check_all([UNAVAILABLE] if method == SEND else [])


async def test_row_40_an_idle_reflection_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """An open reflection stream ends with OK when the listener closes."""
    async with open_world(monkeypatch, grace_seconds=HOUR) as world:
        reflect: Any = world.channel.stream_stream(REFLECT)
        stream = reflect()
        await stream.write(LIST_SERVICES)
        assert b"openai.Chatgpt" in await stream.read()
        async with stopped_at_once(world):
            assert await stream.read() is grpc.aio.EOF
            assert await stream.code() is grpc.StatusCode.OK
        await world.check_all([])


async def test_row_40_a_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A health watch receives NOT_SERVING, and ends with OK when the listener closes."""
    async with open_world(monkeypatch, grace_seconds=HOUR) as world:
        watch = health_of(world.channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        async with stopped_at_once(world):
            assert (await watch.read()).status == NOT_SERVING
            assert await watch.read() is grpc.aio.EOF
            assert await watch.code() is grpc.StatusCode.OK
        await world.check_all([])


async def test_row_40_beside_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ending the other calls does not affect a running answer."""
    async with open_world(monkeypatch, grace_seconds=HOUR) as world:
        world.upstream.script("tokens 1; barrier running; answer")
        running = asyncio.create_task(world.ended(world.send()))
        await world.upstream.barrier("running").reached()
        async with http2.connect(world.app.address) as caller:
            await caller.send(http2.call(1))
            await within(5, "it waits", lambda: waiting(world) == 1)
            stopping = asyncio.create_task(world.app.drain())
            await caller.status(grpc.StatusCode.UNAVAILABLE.value[0])
            world.upstream.barrier("running").release()
            answers, error = await running
            assert error is None
            assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
            await stopping
        await world.check_all([UNAVAILABLE, OK])


async def test_row_40_a_watcher_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A health watch whose client reads nothing, not even the status, is soon abandoned."""
    async with open_world(monkeypatch, grace_seconds=HOUR) as world:
        async with http2.connect(world.app.address, window=0) as watcher:
            await watcher.send(http2.call(1, WATCH), http2.message(1, b""))
            # Headers need no window; the message after them blocks.
            await watcher.reader.readuntil(b"grpc-accept-encoding")
            async with asyncio.timeout(5):
                await world.app.drain()
        await world.check_all([])
