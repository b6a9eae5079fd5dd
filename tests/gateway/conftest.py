from collections.abc import AsyncIterator

import pytest

from support.issuer import IssuerServer


@pytest.fixture
async def issuer() -> AsyncIterator[IssuerServer]:
    """An issuer of tokens with one key."""
    async with IssuerServer() as running:
        yield running
