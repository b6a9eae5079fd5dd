"""Fixtures for the tests of failures through all protocols."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from protocols.world import OpenProtocols, ProtocolWorld, open_protocols
from support.world import restored_logging


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    with restored_logging():
        yield


@pytest.fixture
async def protocols(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, subtests: pytest.Subtests
) -> AsyncIterator[OpenProtocols]:
    """A function that starts a server with all protocols and the given settings."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> ProtocolWorld:
            opening = open_protocols(monkeypatch, tmp_path, subtests, **settings)
            return await stack.enter_async_context(opening)

        yield start
