"""Row 34: the caller stops reading."""

import asyncio
from typing import Any

import grpc
import pytest

from support.helpers import reason_of, sample, scrape, text_of
from support.leaving import Visit
from support.waiting import within
from support.world import PROMPT, World, assert_clean, open_world
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

CANCELLED = (grpc.StatusCode.CANCELLED, "")
SLOW_CONSUMER = (grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_CONSUMER")
BLOCKED = "blocked-in-write"


async def ending_of(call: Any) -> tuple[list[pb.Answer], grpc.aio.AioRpcError]:
    """Return the remaining answers of a call whose reader had stalled, and its error."""
    answers = []
    try:
        while (answer := await call.read()) is not grpc.aio.EOF:
            answers.append(answer)
    except grpc.aio.AioRpcError as error:
        return answers, error
    raise AssertionError(f"the call ended well, with {answers[-1:]}")


async def errors_counted(world: World, reason: str) -> float:
    labels = {"grpc_code": "RESOURCE_EXHAUSTED", "reason": reason}
    return sample(await scrape(world.app), "tokenwire_errors_total", **labels) or 0


async def test_row_34_stalled_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stalled call is ended, and frees its upstream connection and its slot before it is read."""
    async with open_world(
        monkeypatch, reader_timeout_seconds=0.5, max_streams=1, queue_timeout_seconds=30
    ) as world:
        visit = Visit(world, BLOCKED)
        stalled = world.send()
        await visit.reached(stalled)
        world.upstream.script("text next; finish; done")
        waiting = asyncio.ensure_future(world.ended(world.send()))
        await visit.seconds_open_after(0)
        # The status of the stalled call is not delivered yet, and another call has its slot.
        answers, error = await waiting
        assert error is None
        assert text_of(answers) == "next"
        assert not stalled.done()
        assert await errors_counted(world, "SLOW_CONSUMER") == 1
        answers, error = await ending_of(stalled)
        assert not any(answer.error for answer in answers)
        assert (error.code(), reason_of(error)) == SLOW_CONSUMER
        assert_clean(error.details(), error.trailing_metadata())
        await world.check_all([SLOW_CONSUMER, (grpc.StatusCode.OK, "")])


async def test_row_34_first_answer_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that takes even the first Answer late still gets it, and then the status."""
    async with open_world(monkeypatch, reader_timeout_seconds=0.2) as world:
        world.upstream.script("big-delta 900kB; stall")
        # This keeps the windows from growing to the size of what is sent.
        options = (("grpc.http2.bdp_probe", 0),)
        async with grpc.aio.insecure_channel(world.app.address, options=options) as channel:
            call = chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content=PROMPT), timeout=5)
            await within(10, "ended", lambda: "SLOW_CONSUMER" in world.log.getvalue())
            [answer], error = await ending_of(call)
        assert len(answer.content) == 900_000
        assert (error.code(), reason_of(error)) == SLOW_CONSUMER
        await world.check(*SLOW_CONSUMER)


@pytest.mark.parametrize("phase", ["before-headers", "before-first-token", "mid-stream"])
async def test_row_34_a_slow_upstream_is_no_slow_reader(
    monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    """The reader's timeout runs only while an Answer waits for the caller."""
    async with open_world(monkeypatch, reader_timeout_seconds=0.1) as world:
        visit = Visit(world, phase)
        call = asyncio.ensure_future(world.ended(world.send()))
        await visit.reached()
        # Several times the reader's timeout.
        await asyncio.sleep(0.5)
        visit.release()
        _, error = await call
        assert error is None
        await world.check(grpc.StatusCode.OK)


async def test_row_34_a_reader_that_goes_on_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow reader that continues before its timeout gets the whole answer."""
    async with open_world(monkeypatch, reader_timeout_seconds=2) as world:
        world.upstream.script(f"filler 5000 {'x' * 500}; finish; done")
        call = world.send()
        text = ""
        pause = 1.0
        while (answer := await call.read()) is not grpc.aio.EOF:
            assert isinstance(answer, pb.Answer)
            text += answer.content
            # Below the reader's timeout.
            await asyncio.sleep(pause)
            pause = 0
        assert len(text.split()) == 5000
        await world.check(grpc.StatusCode.OK)


async def test_row_34_a_stalled_reader_who_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stalled reader that disconnects instead of reading its status leaves nothing behind."""
    async with open_world(monkeypatch, reader_timeout_seconds=0.5) as world:
        visit = Visit(world, BLOCKED)
        call = world.send()
        await visit.reached(call)
        await visit.seconds_open_after(0)
        call.cancel()
        await world.check(*SLOW_CONSUMER)
