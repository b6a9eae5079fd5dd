"""Each row's test gets a world of its own."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from support.world import World, open_world, save_up


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """Undo what the server's log set-up does to the process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with open_world(monkeypatch) as opened:
        yield opened


@pytest.fixture
async def saved_up(world: World) -> World:
    """A world whose retry budget pays for a repetition."""
    await save_up(world)
    return world
