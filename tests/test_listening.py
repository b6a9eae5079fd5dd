"""The server that scripted parts of tests run on."""

import asyncio
import socket
from contextlib import suppress

import pytest

from support.listening import listening


@pytest.mark.parametrize("iterations", range(5))
async def test_no_connection_outlives_the_server(iterations: int) -> None:
    """Connections are closed however far asyncio has come with them."""

    async def answer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    loop = asyncio.get_running_loop()
    async with listening(answer) as address:
        peers = [socket.create_connection(address) for _ in range(3)]
        for _ in range(iterations):
            await asyncio.sleep(0)
    for peer in peers:
        peer.setblocking(False)  # noqa: FBT003 - the only way to call it
        with peer, suppress(ConnectionResetError):
            assert await loop.sock_recv(peer, 1) == b""
