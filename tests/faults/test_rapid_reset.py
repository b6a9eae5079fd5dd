"""Row 44: calls that are cancelled faster than the server accepts them."""

import asyncio
from itertools import count

import grpc
import pytest

from support import http2
from support.world import open_world

STREAMS = 20_000
CALLERS = 50
CALLS_EACH = 10
OK = (grpc.StatusCode.OK, "")


async def test_row_44_faster_than_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most calls that are cancelled at once are rejected by gRPC and do not wait for the server."""
    async with open_world(monkeypatch) as world:
        streams = range(1, 2 * STREAMS, 2)
        flood = [http2.call(stream) + http2.reset(stream) for stream in streams]
        async with http2.connect(world.app.address) as attacker:
            sending = asyncio.create_task(attacker.send(*flood))
            for _ in range(20):
                assert (await world.ended(world.send()))[1] is None
            await sending
            async with asyncio.timeout(30):
                for _ in range(STREAMS // 2):
                    await attacker.was_reset()
        await world.at_rest()


async def test_row_44_as_many_as_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that always has as many calls as allowed is never rejected for it."""
    async with open_world(monkeypatch, max_streams_per_connection=10) as world:
        await world.warm_up(10)
        numbers = count()

        async def call_again_and_again() -> None:
            while next(numbers) < CALLERS * CALLS_EACH:
                assert (await world.ended(world.send()))[1] is None

        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(call_again_and_again())
        await world.check_all([OK] * CALLERS * CALLS_EACH)
