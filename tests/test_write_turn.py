"""A call takes its turn to write before it reads the tokens of the message."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc
import pytest
from aiohttp.streams import StreamReader

from support.raw_upstream import HEAD, raw_upstream
from support.world import World, open_world
from tokenwire.server.write_pacer import WritePacer
from tokenwire.upstreams.openai.response_events import READ_BYTES, TEXT_BYTES
from tokenwire.v1 import chatgpt_pb2 as pb

Call: TypeAlias = "grpc.aio.UnaryStreamCall[Any, Any]"


class HeldPacer(WritePacer):
    """A pacer whose turn can be kept full.

    Attributes:
        waited: Set when a write waits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waited = asyncio.Event()

    async def wait(self) -> None:
        self.waited.set()
        await super().wait()

    def hold(self) -> None:
        """Admit no write until `release`, as in the pause after a full turn."""
        assert not self._active
        self._active, self._admitted = True, self._per_turn

    def release(self) -> None:
        """End the pause."""
        self._begin_turn()


@pytest.fixture
def pacers(monkeypatch: pytest.MonkeyPatch) -> list[HeldPacer]:
    """The pacers of the servers that the test starts."""
    made: list[HeldPacer] = []

    def make() -> HeldPacer:
        made.append(HeldPacer())
        return made[-1]

    monkeypatch.setattr("tokenwire.server.relay.WritePacer", make)
    return made


async def reach(world: World, name: str) -> None:
    """Let the upstream go on once it has come to a barrier."""
    await world.upstream.barrier(name).reached()
    world.upstream.barrier(name).release()


@asynccontextmanager
async def begun(
    monkeypatch: pytest.MonkeyPatch, plan: str, **settings: Any
) -> AsyncIterator[tuple[World, Call, AsyncIterator[pb.Answer]]]:
    """Start a server and a call that has got its first Answer, `a`."""
    async with open_world(monkeypatch, **settings) as world:
        world.upstream.script(plan)
        call = world.send()
        answers = aiter(call)
        assert (await anext(answers)).content == "a"
        yield world, call, answers


async def wait_for_turn(world: World, pacer: HeldPacer) -> None:
    """Let the upstream send `b`, which then waits for its turn to be written."""
    await reach(world, "b")
    await pacer.waited.wait()


async def test_tokens_that_arrive_during_the_wait_leave_in_one_answer(
    monkeypatch: pytest.MonkeyPatch, pacers: list[HeldPacer]
) -> None:
    """An Answer has all text that arrived until the turn came, not only what was read first."""
    fed = asyncio.Event()
    feed = StreamReader.feed_data

    def feed_data(self: StreamReader, data: bytes, *more: Any) -> Any:
        if b'"c"' in data:
            fed.set()
        return feed(self, data, *more)

    monkeypatch.setattr(StreamReader, "feed_data", feed_data)
    plan = "text a; barrier b; text b; barrier c; text c; barrier end; finish; done"
    async with begun(monkeypatch, plan) as (world, _, answers):
        [pacer] = pacers
        pacer.hold()
        await wait_for_turn(world, pacer)
        await reach(world, "c")
        await fed.wait()
        pacer.release()
        assert (await anext(answers)).content == "bc"
        await reach(world, "end")
        assert [answer async for answer in answers][-1].finish_reason == pb.FINISH_REASON_STOP


def chunk(text: str, finish: str = "null") -> bytes:
    """Return an event that differs from others in its text."""
    choice = f'{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":{finish}}}'
    return f'data: {{"id":"chunk","model":"{"m" * 100}","choices":[{choice}]}}\n\n'.encode()


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Is set when more than one read of the large part of an answer has arrived."""
    reached = asyncio.Event()
    feed, size = StreamReader.feed_data, 0

    def feed_data(self: StreamReader, data: bytes, *more: Any) -> Any:
        nonlocal size
        size += len(data)
        if size > READ_BYTES + len(chunk("")) * 10:
            reached.set()
        return feed(self, data, *more)

    monkeypatch.setattr(StreamReader, "feed_data", feed_data)
    return reached


async def answers_of_a_burst(
    monkeypatch: pytest.MonkeyPatch, pacers: list[HeldPacer], fed: asyncio.Event, text: str
) -> list[str]:
    """Return the texts of the Answers to much that arrives while the turn is another's."""
    begin, go_on = asyncio.Event(), asyncio.Event()
    burst = chunk(text) * (4 * READ_BYTES // len(chunk(text)))
    async with raw_upstream() as raw, open_world(monkeypatch, base_url=raw.base_url) as world:
        # What arrives first shows what the chunks have in common.
        alike, end = chunk("a") * 8, chunk("", '"stop"') + b"data: [DONE]\n\n"
        raw.pieces = (HEAD, chunk("a"), begin, alike, go_on, burst, end)
        answers = aiter(world.send())
        assert (await anext(answers)).content == "a"
        begin.set()
        assert (await anext(answers)).content == "a" * 8
        [pacer] = pacers
        pacer.hold()
        go_on.set()
        await pacer.waited.wait()
        await fed.wait()
        pacer.release()
        contents = [answer.content async for answer in answers]
        assert "".join(contents) == text * (len(burst) // len(chunk(text)))
        return contents


async def test_tokens_of_several_reads_leave_in_one_answer(
    monkeypatch: pytest.MonkeyPatch, pacers: list[HeldPacer], fed: asyncio.Event
) -> None:
    """An Answer has the text of more than one read where text arrives as fast as it is read."""
    contents = await answers_of_a_burst(monkeypatch, pacers, fed, "b")
    assert len(contents[0]) > READ_BYTES / len(chunk("b"))


async def test_the_text_of_an_answer_is_limited(
    monkeypatch: pytest.MonkeyPatch, pacers: list[HeldPacer], fed: asyncio.Event
) -> None:
    """Much text in each event does not add up to an Answer larger than one read and a little."""
    contents = await answers_of_a_burst(monkeypatch, pacers, fed, "b" * 1_000)
    assert max(map(len, contents)) <= READ_BYTES + TEXT_BYTES


async def test_a_first_message_does_not_wait(
    monkeypatch: pytest.MonkeyPatch, pacers: list[HeldPacer]
) -> None:
    """The first Answer of a call leaves at once, whatever others write; the next one waits."""
    async with open_world(monkeypatch) as world:
        [pacer] = pacers
        world.upstream.script("text a; barrier b; text b; finish; done")
        pacer.hold()
        call = world.send()
        answers = aiter(call)
        assert (await anext(answers)).content == "a"
        assert not pacer.waited.is_set()
        await wait_for_turn(world, pacer)
        pacer.release()
        assert "".join([answer.content async for answer in answers]) == "b"


async def test_a_wait_for_the_turn_is_not_the_upstreams(
    monkeypatch: pytest.MonkeyPatch, pacers: list[HeldPacer]
) -> None:
    """A call that waits for its turn longer than the idle timeout does not fail."""
    plan = "text a; barrier b; text b; finish; done"
    async with begun(monkeypatch, plan, idle_timeout_seconds=0.5) as (world, _, answers):
        [pacer] = pacers
        pacer.hold()
        await wait_for_turn(world, pacer)
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        loop.call_later(0.6, over.set_result, None)
        await over
        pacer.release()
        assert "".join([answer.content async for answer in answers]) == "b"


async def test_a_caller_that_leaves_while_it_waits_for_its_turn(
    monkeypatch: pytest.MonkeyPatch, pacers: list[HeldPacer]
) -> None:
    """Its call ends at once, and the turns go on for others."""
    plan = "text a; barrier b; text b; stall"
    async with begun(monkeypatch, plan) as (world, call, _):
        [pacer] = pacers
        pacer.hold()
        await wait_for_turn(world, pacer)
        call.cancel()
        await world.upstream.wait_until_idle()
        pacer.release()
        others, error = await world.ended(world.send())
        assert error is None
        assert others[-1].finish_reason == pb.FINISH_REASON_STOP
