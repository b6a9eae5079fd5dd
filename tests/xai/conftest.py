from collections.abc import AsyncIterator

import pytest

from support.app import StartApp
from support.xai import XaiStubs, xai_stubs
from tokenwire.app import App


@pytest.fixture
async def xai_app(start_app: StartApp) -> App:
    """A server that serves xAI's API too."""
    return await start_app(protocols="xai")


@pytest.fixture
async def xai(xai_app: App) -> AsyncIterator[XaiStubs]:
    """A client of xAI's API."""
    async with xai_stubs(xai_app.address) as stubs:
        yield stubs
