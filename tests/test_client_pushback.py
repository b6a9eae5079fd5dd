"""Both clients follow `grpc-retry-pushback-ms`, with which a server says when to come back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import grpc
import pytest

from support.app import StartApp
from support.scripted_server import Context, ScriptedServer, says
from tokenwire_client import Answer, ChatError, Client, SyncClient
from tokenwire_client.v1.chatgpt_pb2 import Message
from tokenwire_demo import DemoUpstream

Call = Callable[[str], Awaitable[str]]


async def send(address: str) -> str:
    async with Client(address) as client:
        return "".join([answer.content async for answer in client.send("hi")])


async def ask(address: str) -> str:
    async with Client(address) as client:
        return (await client.ask("hi")).content


async def send_sync(address: str) -> str:
    def run() -> str:
        with SyncClient(address) as client:
            return "".join(answer.content for answer in client.send("hi"))

    return await asyncio.to_thread(run)


async def ask_sync(address: str) -> str:
    def run() -> str:
        with SyncClient(address) as client:
            return client.ask("hi").content

    return await asyncio.to_thread(run)


@pytest.mark.parametrize("call", [send, ask, send_sync, ask_sync])
@pytest.mark.parametrize(("pushback", "expected"), [("200", 2), ("-1", 1)])
async def test_the_server_decides_about_a_retry(call: Call, pushback: str, expected: int) -> None:
    """After UNAVAILABLE, the next attempt is made 200 ms later; with -1 there is none."""
    loop = asyncio.get_running_loop()
    times: list[float] = []

    async def script(request: Message, context: Context) -> AsyncIterator[Answer]:
        times.append(loop.time())
        if len(times) == 1:
            trailers = (("grpc-retry-pushback-ms", pushback),)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "later", trailers)
        async for answer in says("at last")(request, context):
            yield answer

    async with ScriptedServer(script) as server:
        with suppress(ChatError):
            assert await call(server.address) == "at last"
    assert len(times) == expected
    # The first back-off of the clients themselves is at most 120 ms.
    assert times[-1] - times[0] >= 0.19 * (expected - 1)


async def test_an_upstreams_wait_holds_the_retry(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """If the upstream asks to wait for 30 s, no attempt follows before the call's deadline."""
    app = await start_app()
    async with Client(app.address) as client:
        with pytest.raises(ChatError) as caught:
            # Without the pushback, two more attempts would follow within 0.5 s.
            await client.ask("hi [[demo: status 503 retry-after=30]]", timeout=1)
    assert caught.value.code in {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}
    assert upstream.requests_seen == 1
