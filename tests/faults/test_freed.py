"""A call that has ended frees its memory at once, without the garbage collector."""

import gc
from collections.abc import Iterator

import pytest

from support.waiting import within
from support.world import World, open_world
from tokenwire.upstreams.http.sse import EventReader

PLANS = (
    "answer",
    "status 401",
    "tokens 1; data nope",
    "big-delta 2MB; finish; done",
    "tokens 1; close",
    "tokens 1; reset",
    "tokens 1; stall",
)


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def readers() -> int:
    """Return the number of event readers, each of which may hold a large event."""
    return sum(isinstance(each, EventReader) for each in gc.get_objects())


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("plan", PLANS)
async def test_all_rows_free_what_they_held(monkeypatch: pytest.MonkeyPatch, plan: str) -> None:
    """A call that has ended, with any status, holds no upstream data in memory."""
    async with open_world(monkeypatch, idle_timeout_seconds=0.5) as world:
        before = readers()
        await play(world, plan)
        await within(10, "the reader is freed", lambda: readers() == before)


async def play(world: World, plan: str) -> None:
    world.upstream.script(plan)
    await world.ended(world.send())
    await world.at_rest()
