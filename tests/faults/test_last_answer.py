"""Row 19 and law 4: no limit fails an answer whose last Answer is being written."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from support import http2
from support.app import MODEL
from support.waiting import count_tasks, within
from support.world import World, open_world
from tokenwire.core.call_deadline import CallDeadline
from tokenwire.v1 import chatgpt_pb2 as pb

OK = (grpc.StatusCode.OK, "")

GRACE = 0.3
MESSAGE = http2.message(1, pb.Message(content="hello").SerializeToString())
TEXT = pb.Answer(content="a").SerializeToString()
STOP = pb.Answer(finish_reason=pb.FINISH_REASON_STOP, model=MODEL).SerializeToString()

PLANS = {
    "after text": ("text a; barrier read; finish; done", len(TEXT) + 5),
    "alone": ("role; barrier read; finish; done", 0),
}
"""The upstream's plan, and the bytes that the caller takes: all before the last Answer."""


@asynccontextmanager
async def last_write(
    world: World, plan: str
) -> AsyncIterator[tuple[http2.Connection, CallDeadline]]:
    """Bring a call to the write of its last Answer, which the caller does not take yet."""
    script, window = PLANS[plan]
    world.upstream.script(script)
    async with http2.connect(world.app.address, window=window) as caller:
        await caller.send(http2.call(1), MESSAGE)
        await world.upstream.barrier("read").reached()
        if window:
            await caller.reader.readuntil(TEXT)
        [watchdog] = world.app.components.outcome._running
        world.upstream.barrier("read").release()
        await world.upstream.wait_until_idle()
        await within(5, "the last Answer being written", lambda: watchdog.writing)
        yield caller, watchdog


async def reads_on(caller: http2.Connection) -> None:
    """Read the rest, which must be the last Answer and the status OK."""
    await caller.send(http2.more_window(1))
    async with asyncio.timeout(5):
        seen = await caller.reader.readuntil(STOP)
        await caller.status(grpc.StatusCode.OK.value[0])
    assert b"SERVER_SHUTTING_DOWN" not in seen


async def ended(world: World) -> None:
    """Wait until the call has been recorded, which is when its slot is free."""
    await within(5, "the call ended", lambda: "call ended" in world.log.getvalue())


@pytest.mark.parametrize("plan", PLANS)
async def test_row_19_grace_ends_within_the_last_write(
    monkeypatch: pytest.MonkeyPatch, plan: str
) -> None:
    """A caller that reads the last Answer just after the grace period gets it, and OK."""
    async with open_world(monkeypatch, grace_seconds=GRACE) as world:
        world.log.truncate(0)
        async with last_write(world, plan) as (caller, watchdog):
            stopping = asyncio.create_task(world.app.drain())
            loop = asyncio.get_running_loop()
            await within(5, "the grace is over", lambda: watchdog.end <= loop.time())
            await reads_on(caller)
            await stopping
        await world.check_all([OK])


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(
    "limit",
    [{"stream_timeout_seconds": 0.5}, {"reader_timeout_seconds": 0.2}],
    ids=["stream limit", "reader"],
)
async def test_row_34_a_reader_that_stalls_within_the_last_write(
    monkeypatch: pytest.MonkeyPatch, plan: str, limit: dict[str, Any]
) -> None:
    """The call releases its slot in time, and a caller that reads on later still gets OK."""
    async with open_world(monkeypatch, max_streams=1, **limit) as world:
        world.log.truncate(0)
        async with last_write(world, plan) as (caller, _):
            await ended(world)
            answers, error = await world.ended(world.send())
            assert error is None
            assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
            await reads_on(caller)
        await world.check_all([OK, OK])


@pytest.mark.parametrize("plan", PLANS)
async def test_row_41_a_reader_that_takes_the_last_answer_while_connections_close(
    monkeypatch: pytest.MonkeyPatch, plan: str
) -> None:
    """The last Answer is still delivered after its write has timed out, until connections close."""
    async with open_world(monkeypatch, grace_seconds=GRACE) as world:
        world.log.truncate(0)
        async with last_write(world, plan) as (caller, _):
            stopping = asyncio.create_task(world.app.drain())
            await ended(world)
            await reads_on(caller)
            await stopping
        await world.check_all([OK])


@pytest.mark.parametrize("plan", PLANS)
async def test_row_41_a_reader_that_never_takes_the_last_answer(
    monkeypatch: pytest.MonkeyPatch, plan: str
) -> None:
    """A last Answer that is never read does not delay the stop, and the call is recorded as OK."""
    async with open_world(monkeypatch, grace_seconds=GRACE) as world:
        async with last_write(world, plan):
            async with asyncio.timeout(10):
                await world.app.drain()
        await world.check_all([OK])


@pytest.mark.parametrize("plan", PLANS)
async def test_row_31_a_caller_that_leaves_within_the_last_write(world: World, plan: str) -> None:
    """A call whose caller leaves before it has read the last Answer is CANCELLED."""
    async with last_write(world, plan) as (caller, _):
        await caller.send(http2.reset(1))
        await ended(world)
    await world.check_all([(grpc.StatusCode.CANCELLED, "")])


@pytest.mark.parametrize("plan", PLANS)
async def test_row_34_a_reader_that_stalls_within_the_last_write_and_leaves(
    monkeypatch: pytest.MonkeyPatch, plan: str
) -> None:
    """After the call has released its slot, nothing of it is left when its caller leaves."""
    async with open_world(monkeypatch, reader_timeout_seconds=0.2) as world:
        tasks = count_tasks()
        world.log.truncate(0)
        async with last_write(world, plan) as (caller, _):
            await ended(world)
            assert count_tasks() > tasks
            await caller.send(http2.reset(1))
            await within(5, "nothing left", lambda: count_tasks() <= tasks)
        await world.check_all([OK])


async def test_row_7_the_stream_limit_ends_while_usage_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A limit that expires during the wait for usage does not fail a complete text."""
    async with open_world(monkeypatch, stream_timeout_seconds=0.5) as world:
        answers = await world.succeeds("text a; finish; wait 1; usage 5 7; done")
        assert answers[-1].usage.output_tokens == 7
        answers = await world.succeeds("text a; finish; stall")
        assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
        await world.fails(
            "text a; finish; wait 1; text b; usage 5 7; done",
            grpc.StatusCode.ABORTED,
            "STREAM_DURATION_LIMIT",
        )


async def test_row_41_the_grace_ends_while_usage_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The end of the grace period during the wait for usage does not fail a complete text."""
    async with open_world(monkeypatch, grace_seconds=GRACE) as world:
        world.upstream.script("text a; finish; barrier usage; usage 5 7; done")
        call = asyncio.create_task(world.ended(world.send()))
        await world.upstream.barrier("usage").reached()
        [watchdog] = world.app.components.outcome._running
        stopping = asyncio.create_task(world.app.drain())
        loop = asyncio.get_running_loop()
        await within(5, "the grace is over", lambda: watchdog.end <= loop.time())
        world.upstream.barrier("usage").release()
        answers, error = await call
        assert error is None
        assert answers[-1].usage.output_tokens == 7
        await stopping
        await world.check_all([OK])
