"""Row 52: many callers that stop reading at the same time."""

import pytest

from faults.test_undelivered import reset
from support import http2
from support.waiting import within
from support.world import World, open_world
from tokenwire.server import undelivered
from tokenwire.server.bounded_tasks import Tasks

WATCH = "/grpc.health.v1.Health/Watch"
CALLS = 100


async def test_row_52_stalled_watches_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many calls that end at the same time share a few searches of all tasks."""
    searches = 0
    reset_streams = undelivered.reset_streams

    def counted(handlers: Tasks) -> None:
        nonlocal searches
        searches += 1
        reset_streams(handlers)

    monkeypatch.setattr(undelivered, "reset_streams", counted)
    async with open_world(monkeypatch, reader_timeout_seconds=0.5) as world:
        await _stall(world)
        assert searches <= CALLS / 5
        await world.check_all([])


async def _stall(world: World) -> None:
    """Open watches that are not read, and return when all were reset."""
    async with http2.connect(world.app.address, window=0) as caller:
        for stream in range(1, 2 * CALLS, 2):
            await caller.send(http2.call(stream, WATCH), http2.message(stream, b""))
        await within(10, "all were reset", lambda: reset(world) == CALLS)
