import asyncio

import grpc
import pytest

from support.scripted_server import (
    ScriptedServer,
    hangs_after,
)
from tokenwire_client import (
    Answer,
    ChatError,
    Client,
)


async def test_break_cancels_at_once() -> None:
    """Leaving the loop with break cancels the call without waiting for garbage collection."""
    async with ScriptedServer(hangs_after("a")) as server, Client(server.address) as client:
        async for _ in client.send("hi"):
            break
        await server.cancelled.wait()


async def test_aclose_cancels_at_once() -> None:
    """Closing the stream cancels the call, and the stream yields nothing afterwards."""
    async with ScriptedServer(hangs_after("a")) as server, Client(server.address) as client:
        stream = client.send("hi")
        await anext(stream)
        await stream.aclose()
        await server.cancelled.wait()
        assert [answer async for answer in stream] == []


async def test_end_of_with_block_cancels() -> None:
    """Leaving the stream's async with block cancels the call."""
    async with ScriptedServer(hangs_after("a")) as server, Client(server.address) as client:
        async with client.send("hi") as stream:
            await anext(stream)
        await server.cancelled.wait()


async def test_cancelled_task_cancels_the_call() -> None:
    """Cancelling the reading task cancels the call and raises CancelledError."""
    async with ScriptedServer(hangs_after("a")) as server, Client(server.address) as client:
        stream = client.send("hi")
        await anext(stream)
        reader = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await server.cancelled.wait()


async def test_close_from_another_task_ends_the_reader() -> None:
    """If another task closes the stream, the reader sees its end and no cancellation."""
    async with ScriptedServer(hangs_after("a")) as server, Client(server.address) as client:
        stream = client.send("hi")
        await anext(stream)

        async def read() -> list[Answer]:
            return [answer async for answer in stream]

        reader = asyncio.create_task(read())
        await asyncio.sleep(0)
        await stream.aclose()
        assert await reader == []
        await server.cancelled.wait()


async def test_closed_client_fails_running_answers() -> None:
    """If the client is closed, the reader gets ChatError CANCELLED and no CancelledError."""
    async with ScriptedServer(hangs_after("a")) as server:
        client = Client(server.address)
        async with client:
            stream = client.send("hi")
            await anext(stream)
            reader = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
        with pytest.raises(ChatError, match="client was closed") as caught:
            await reader
    assert caught.value.code is grpc.StatusCode.CANCELLED
