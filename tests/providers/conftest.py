"""Fixtures with the upstream of each provider."""

from collections.abc import AsyncIterator

import pytest

from support.providers import WIRES, provider_player
from support.quirks import Player
from support.wire import Wire

LIMIT = 1.0
"""In seconds; longer than a busy machine keeps a process waiting."""


@pytest.fixture(params=WIRES, ids=lambda wire: wire.name)
def wire(request: pytest.FixtureRequest) -> Wire:
    """The wire format of each provider in turn."""
    found: Wire = request.param
    return found


@pytest.fixture
async def upstream(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Player]:
    """A server of the provider, whose upstream is scripted."""
    async with provider_player(wire, monkeypatch) as playing:
        yield playing


@pytest.fixture
async def impatient(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Player]:
    """The same with a server whose time limits are short."""
    limits = {"first_token_timeout_seconds": LIMIT, "idle_timeout_seconds": LIMIT}
    async with provider_player(wire, monkeypatch, **limits) as playing:
        yield playing
