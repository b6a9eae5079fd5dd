"""Limits on the age of a connection and on the number of its concurrent calls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import grpc
import pytest

from support import http2
from support.helpers import collect, sample
from support.memory import MB, peak_memory, reset_peak_memory
from support.waiting import within
from support.world import World, open_world
from tokenwire.v1 import chatgpt_pb2 as pb

GOAWAY = 7
NO_ERROR = b"\0\0\0\0"
REFUSED_STREAM = 7
OK = (grpc.StatusCode.OK, "")
HELLO = pb.Message(content="hello")
AGE = 1.0


async def peers(world: World) -> AsyncIterator[str]:
    """Make calls that must succeed; yield the peer address of each."""
    while True:
        before = len(world.log.getvalue())
        await collect(world.stub.Send(HELLO))
        await within(5, "it was logged", lambda: "call ended" in world.log.getvalue()[before:])  # noqa: B023 - called in the loop
        yield world.log.getvalue()[before:].partition('"peer": "')[2].partition('"')[0]


async def test_running_answers_finish_on_an_old_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """New calls move to a new connection without a failure, and the running answer completes."""
    async with open_world(monkeypatch, connection_age_seconds=AGE) as world:
        await world.warm_up(2)
        world.upstream.script("tokens 1; barrier running; answer")
        running = asyncio.create_task(world.ended(world.send()))
        await world.upstream.barrier("running").reached()
        seen: list[str] = []
        async with asyncio.timeout(30):
            # Two newer connections show that the answer outlives the age of its own.
            async for peer in peers(world):
                seen.append(peer)
                if len(set(seen)) == 3:
                    break
        world.upstream.barrier("running").release()
        answers, error = await running
        assert error is None
        assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
        await world.check(*OK, calls=len(seen) + 1)


async def test_an_old_connection_is_asked_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends an old connection by a graceful GOAWAY, and closes it once it is idle."""
    async with open_world(monkeypatch, connection_age_seconds=AGE) as world:
        async with http2.connect(world.app.address) as caller:
            async with asyncio.timeout(10):
                frames = [frame async for frame in caller.frames()]
        assert [payload[4:8] for kind, _, payload in frames if kind == GOAWAY] == [NO_ERROR] * 2
        await world.check_all([])


async def test_the_age_leaves_time_for_the_longest_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer that begins just before its connection expires may use its full duration."""
    limits = {"connection_age_seconds": AGE, "stream_timeout_seconds": 4, "keepalive_seconds": 60}
    async with open_world(monkeypatch, **limits) as world:
        await world.fails("tokens 1; stall", grpc.StatusCode.ABORTED, "STREAM_DURATION_LIMIT")


async def test_a_client_waits_for_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call over the connection's limit is sent when another call has ended."""
    async with open_world(monkeypatch, max_streams_per_connection=2) as world:
        await world.warm_up(2)
        world.upstream.script(*["barrier held; answer"] * 3)
        calls = [asyncio.create_task(world.ended(world.send())) for _ in range(3)]
        await world.upstream.barrier("held").reached(2)
        started = world.upstream.requests_seen
        world.upstream.barrier("held").release()
        for _, error in await asyncio.gather(*calls):
            assert error is None
        assert world.upstream.requests_seen == started + 1
        await world.check(*OK, calls=3)


async def test_row_47_no_more_of_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server rejects each call over the connection's limit at once."""
    async with open_world(monkeypatch, max_streams_per_connection=10) as world:
        async with http2.connect(world.app.address) as caller:
            await caller.send(*map(http2.call, range(1, 101, 2)))
            refused = 0
            async for kind, _, payload in caller.frames():
                refused += kind == http2.RST_STREAM and payload[3] == REFUSED_STREAM
                if refused == 40:
                    break
            await within(5, "the others wait", lambda: waiting(world) == 10)
        await world.check_all([])


def waiting(world: World) -> float:
    """Return the number of calls that wait for their message, according to the metrics."""
    return sample(world.metrics(), "tokenwire_incomplete_requests") or 0


async def test_row_47_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """19,000 calls without a message, on 10 connections, take at most 60 MB."""
    async with open_world(monkeypatch) as world, AsyncExitStack() as stack:
        before = reset_peak_memory()
        callers = []
        for number in range(1, 11):
            caller = await stack.enter_async_context(http2.connect(world.app.address))
            await caller.send(*map(http2.call, range(1, 201, 2)))
            await within(10, "they wait", lambda: waiting(world) == 100 * number)  # noqa: B023 - called in the loop
            callers.append(caller)
        for caller in callers:
            await caller.send(*map(http2.call, range(201, 3_801, 2)))
        for caller in callers:
            # gRPC rejects the calls over the connection's limit.
            await caller.was_reset()
        assert peak_memory() - before <= 60 * MB
        await stack.aclose()
        await within(5, "all have ended", lambda: waiting(world) == 0)
        await world.at_rest()
