from collections.abc import AsyncIterator

import pytest

from support.aiplatform import AiplatformStub, aiplatform_stub
from support.app import StartApp
from tokenwire.app import App


@pytest.fixture
async def aiplatform_app(start_app: StartApp) -> App:
    """A server that serves Vertex AI's API too."""
    return await start_app(protocols="aiplatform")


@pytest.fixture
async def vertex(aiplatform_app: App) -> AsyncIterator[AiplatformStub]:
    """A client of Vertex AI's API."""
    async with aiplatform_stub(aiplatform_app.address) as stub:
        yield stub
