"""Fixtures for the tests of the failure table's rows, each of which gets its own world."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.world import World, open_world, restored_logging, save_up

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder, and no others, as slow."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """Undo the server's changes to the logging of the process."""
    with restored_logging():
        yield


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with open_world(monkeypatch) as opened:
        yield opened


@pytest.fixture
async def saved_up(world: World) -> World:
    """A world whose retry budget allows one retry."""
    await save_up(world)
    return world
