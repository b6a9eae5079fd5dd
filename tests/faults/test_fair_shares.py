"""Row 35: one connection does not keep others below their share of the slots."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest

from faults.test_admission import LONG, OK, OVERLOADED, hold, let_go, queue_length
from support.app import Stub
from support.helpers import reason_of
from support.waiting import within
from support.world import World, open_world
from tokenwire.server.interceptors import admission
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

GREEDY_CALLS = 60
POLITE = 10
ROUNDS = 3
ANSWER = "[[demo: wait 0.3; answer]]"


@asynccontextmanager
async def connections(world: World, count: int) -> AsyncIterator[list[Stub]]:
    """Connect `count` more clients."""
    async with AsyncExitStack() as stack:
        channels = [
            grpc.aio.insecure_channel(
                world.app.address, options=[("grpc.use_local_subchannel_pool", 1)]
            )
            for _ in range(count)
        ]
        for channel in channels:
            await stack.enter_async_context(channel)
            await channel.channel_ready()
        yield [chatgpt_pb2_grpc.ChatgptStub(channel) for channel in channels]


async def is_served(world: World, stub: Stub, content: str) -> bool:
    """Make a call; return whether it was answered rather than rejected."""
    _, error = await world.ended(stub.Send(pb.Message(content=content)))
    if error is None:
        return True
    assert (error.code(), reason_of(error)) == OVERLOADED
    return False


class Greedy:
    """A client with many concurrent calls that calls again at once after each of them.

    Attributes:
        served: The number of its calls that were answered.
        rejected: The number of its calls that were rejected.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._ended = asyncio.Condition()
        self.served = self.rejected = 0
        self.stopped = False

    async def insist(self) -> None:
        """Make one call after another."""
        while not self.stopped:
            if await is_served(self._world, self._world.stub, ANSWER):
                self.served += 1
            else:
                self.rejected += 1
            async with self._ended:
                self._ended.notify_all()

    async def has_given_up(self, slots: int) -> None:
        """Return when `slots` more of its calls have been answered."""
        enough = self.served + slots
        async with self._ended:
            await self._ended.wait_for(lambda: self.served >= enough)


async def come_back(world: World, stub: Stub, greedy: Greedy) -> int:
    """Make a client's calls, with a wait after each rejection; return the number of rejections."""
    rejected = 0
    for _ in range(ROUNDS):
        while not await is_served(world, stub, ANSWER):
            rejected += 1
            # The greedy client holds more slots than this, because the others hold one each.
            await greedy.has_given_up(POLITE)
    return rejected


async def test_row_35_a_greedy_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten clients are served when they retry beside 60 concurrent calls without a pause.

    A rejected client is served as soon as answers of the greedy client have ended, however often
    that client has called meanwhile.
    """
    # This makes the result independent of the speed of the machine.
    monkeypatch.setattr(admission, "CLAIM_SECONDS", 60.0)
    async with open_world(monkeypatch, max_streams=2 * POLITE, max_queue=0) as world:
        await world.warm_up(2 * POLITE)
        greedy = Greedy(world)
        async with connections(world, POLITE) as polite, asyncio.TaskGroup() as group:
            for _ in range(GREEDY_CALLS):
                group.create_task(greedy.insist())
            rejections = await asyncio.gather(*(come_back(world, stub, greedy) for stub in polite))
            greedy.stopped = True
        assert greedy.rejected > GREEDY_CALLS
        # The answers that it waited for may have ended, still unread, before its call arrived.
        assert max(rejections) <= 2 * ROUNDS
        served, rejected = greedy.served + POLITE * ROUNDS, greedy.rejected + sum(rejections)
        await world.check_all([OK] * served + [OVERLOADED] * rejected)


async def waits(world: World, stub: Stub, content: str, length: int) -> "asyncio.Task[Any]":
    """Begin a call of this client, which makes the queue `length` calls long."""
    call = asyncio.create_task(is_served(world, stub, content))
    await within(5, f"{length} in the queue", lambda: queue_length(world) == length)
    return call


async def test_row_35_the_queue_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next queued call is one of the connection with the fewest slots, not the oldest call."""
    async with open_world(monkeypatch, **LONG) as world:
        held = await hold(world, 1)
        async with connections(world, 1) as [polite]:
            greedy = [await waits(world, world.stub, "greedy", length) for length in (1, 2)]
            call = await waits(world, polite, "polite", 3)
            await let_go(world, held)
            assert await call
            assert await asyncio.gather(*greedy) == [True, True]
        order = [each.body["messages"][-1]["content"] for each in world.upstream.requests[-3:]]
        assert order == ["greedy", "polite", "greedy"]
        await world.check_all([OK] * 4)


async def test_row_35_a_queue_full_of_one_connections_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full queue rejects one of its calls to admit a call of a connection with fewer calls."""
    async with open_world(monkeypatch, **LONG) as world:
        held = await hold(world, 1)
        async with connections(world, 1) as [polite]:
            greedy = [await waits(world, world.stub, "greedy", length) for length in (1, 2, 3)]
            call = asyncio.create_task(is_served(world, polite, "polite"))
            assert not await greedy.pop()
            assert queue_length(world) == 3
            # A second call would leave the other connection with fewer.
            assert not await is_served(world, polite, "polite")
            await let_go(world, held)
            assert await asyncio.gather(call, *greedy) == [True] * 3
        await world.check_all([OK] * 4 + [OVERLOADED] * 2)
