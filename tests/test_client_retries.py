import time
from collections.abc import AsyncIterator
from contextlib import suppress

import grpc
import pytest

from support.scripted_server import (
    Context,
    ScriptedServer,
    fails,
    says,
)
from tokenwire_client import Answer, AnswerStream, ChatError, Client
from tokenwire_client.v1.chatgpt_pb2 import Message

STREAMS = 100
"""The calls of a connection, TOKENWIRE_MAX_STREAMS_PER_CONNECTION by default."""


async def drain(stream: AnswerStream) -> None:
    async for _ in stream:
        pass


async def test_retries_unavailable_before_the_first_token() -> None:
    """A call that fails with UNAVAILABLE before any token is retried and can succeed."""
    attempts = 0

    async def script(request: Message, context: Context) -> AsyncIterator[Answer]:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        async for answer in says("at last")(request, context):
            yield answer

    async with ScriptedServer(script) as server, Client(server.address) as client:
        answers = [answer.content async for answer in client.send("hi")]
    assert answers == ["at last", ""]
    assert attempts == 3


async def test_retries_although_an_instance_is_lost() -> None:
    """A call without a token is sent again although all 100 answers of a connection have failed."""
    abort = fails(grpc.StatusCode.UNAVAILABLE, "connection reset", after=("a token",))
    refuse = fails(grpc.StatusCode.UNAVAILABLE, "connection reset")
    scripts = iter((*[abort] * STREAMS, refuse, says("at last")))

    async def script(request: Message, context: Context) -> AsyncIterator[Answer]:
        async for answer in next(scripts)(request, context):
            yield answer

    async with ScriptedServer(script) as server, Client(server.address) as client:
        for _ in range(STREAMS):
            with pytest.raises(ChatError):
                await drain(client.send("hi"))
        answers = [answer.content async for answer in client.send("hi")]
    assert answers == ["at last", ""]


@pytest.mark.parametrize(("pushback", "expected"), [("300", 2), ("-1", 1)])
async def test_comes_back_when_the_server_says(pushback: str, expected: int) -> None:
    """A pushback replaces the client's own back-off, and -1 prevents a retry."""
    times: list[float] = []

    async def script(request: Message, context: Context) -> AsyncIterator[Answer]:
        times.append(time.monotonic())
        if len(times) == 1:
            trailers = (("grpc-retry-pushback-ms", pushback),)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "later", trailers)
        async for answer in says("at last")(request, context):
            yield answer

    async with ScriptedServer(script) as server, Client(server.address) as client:
        with suppress(ChatError):
            await drain(client.send("hi"))
    assert len(times) == expected
    assert times[-1] - times[0] >= 0.29 * (expected - 1)


@pytest.mark.parametrize(
    ("code", "after"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ()),
        (grpc.StatusCode.UNAVAILABLE, ("a token",)),
    ],
    ids=["another code", "after a token"],
)
async def test_never_retries_otherwise(code: grpc.StatusCode, after: tuple[str, ...]) -> None:
    """A failure with another code, or after a token, is not retried."""
    async with (
        ScriptedServer(fails(code, "no", after=after)) as server,
        Client(server.address) as client,
    ):
        with pytest.raises(ChatError):
            await drain(client.send("hi"))
    assert len(server.requests) == 1


async def test_one_attempt_never_retries() -> None:
    """With max_attempts=1 even UNAVAILABLE is not retried."""
    script = fails(grpc.StatusCode.UNAVAILABLE, "no")
    async with ScriptedServer(script) as server, Client(server.address, max_attempts=1) as client:
        with pytest.raises(ChatError):
            await drain(client.send("hi"))
    assert len(server.requests) == 1


def test_rejects_impossible_attempts() -> None:
    """max_attempts outside 1 to 5 raises ValueError with the value and the range."""
    with pytest.raises(ValueError, match="max_attempts is 6; it must be 1 to 5"):
        Client("127.0.0.1:1", max_attempts=6)
