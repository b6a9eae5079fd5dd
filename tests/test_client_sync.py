"""The client for code without asyncio does what `Client` does, in threads."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import grpc
import pytest

from support.scripted_server import (
    REQUEST_ID,
    Script,
    ScriptedServer,
    bad_field,
    fails,
    hangs_after,
    reason,
    retry_after,
    says,
)
from tokenwire_client import (
    Answer,
    ChatError,
    Client,
    FinishReason,
    Reasoning,
    SyncAnswerStream,
    SyncClient,
    Tool,
    Usage,
)
from tokenwire_client.request import RequestOptions
from tokenwire_client.v1.chatgpt_pb2 import (
    EmbedRequest,
    EmbedResponse,
    ListModelsResponse,
    Message,
    Model,
    Params,
    TokenCount,
    Vector,
)

Result = TypeVar("Result")

OPTIONS: RequestOptions = {
    "history": [("user", "a"), ("assistant", "b")],
    "system": "",
    "model": "m",
    "temperature": 0,
    "stop": ["x"],
    "tools": [Tool(name="get_time")],
    "reasoning": Reasoning(show=True),
}


async def called(server: ScriptedServer, call: Callable[[SyncClient], Result]) -> Result:
    """Run `call` in a thread with an open client, and return its result."""

    def run() -> Result:
        with SyncClient(server.address, metadata=[("who", "me")]) as client:
            return call(client)

    return await asyncio.to_thread(run)


async def test_yields_every_answer_and_the_end() -> None:
    """Iterating yields each piece in order, then the Answer that ends the call."""
    usage = Usage(input_tokens=3, output_tokens=2)

    def read(client: SyncClient) -> tuple[list[Answer], str]:
        stream = client.send("hi")
        return list(stream), stream.request_id

    async with ScriptedServer(says("Hel", "lo", usage=usage)) as server:
        answers, request_id = await called(server, read)
    assert [answer.content for answer in answers] == ["Hel", "lo", ""]
    assert answers[-1].finish_reason == FinishReason.FINISH_REASON_STOP
    assert answers[-1].usage == usage
    assert request_id == REQUEST_ID
    assert server.metadata[0]["who"] == "me"


async def test_sends_what_the_other_client_sends() -> None:
    """The same arguments make the same request, streamed or whole."""
    async with ScriptedServer(says("a")) as server:
        async with Client(server.address) as client:
            await client.ask("now", **OPTIONS)
        answer = await called(server, lambda client: client.ask("now", timeout=60, **OPTIONS))
        await called(server, lambda client: list(client.send("now", timeout=60, **OPTIONS)))
    assert answer.content == "a"
    first, *others = server.requests
    assert others == [first, first]


async def test_unary_methods() -> None:
    """`list_models`, `count_tokens` and `embed` send their requests and return the responses."""
    models = ListModelsResponse(models=[Model(name="m")], default_model="m")
    count = TokenCount(input_tokens=7, estimated=True)
    vectors = EmbedResponse(vectors=[Vector(values=[0.5])], model="m")
    async with ScriptedServer(says()) as server:
        server.replies |= {"ListModels": models, "CountTokens": count, "Embed": vectors}
        assert await called(server, lambda client: client.list_models()) == models
        assert await called(server, lambda client: client.count_tokens("now")) == count
        assert await called(server, lambda client: client.embed(["a"], dimensions=1)) == vectors
    assert server.unary_requests[1:] == [
        Message(content="now", params=Params()),
        EmbedRequest(texts=["a"], dimensions=1),
    ]


FAILURE: Script = fails(
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    "too many answers at once",
    reason("SERVER_OVERLOADED"),
    retry_after(1, 500_000_000),
    bad_field("params.top_p", "must be at most 1"),
    after=("half",),
)


async def test_failures(subtests: pytest.Subtests) -> None:
    """A ChatError has all details, whether the answer is streamed or whole."""
    calls: dict[str, Callable[[SyncClient], object]] = {
        "send": lambda client: list(client.send("hi")),
        "ask": lambda client: client.ask("hi"),
    }
    async with ScriptedServer(FAILURE) as server:
        for name, call in calls.items():
            with subtests.test(call=name):
                with pytest.raises(ChatError) as caught:
                    await called(server, call)
                error = caught.value
                assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
                assert error.reason == "SERVER_OVERLOADED"
                assert error.request_id == REQUEST_ID
                assert error.retry_after == 1.5
                assert error.fields == (("params.top_p", "must be at most 1"),)


async def test_answers_before_a_failure_arrive() -> None:
    """The part of an answer that precedes a failure is yielded, and the iteration has ended."""

    def read(client: SyncClient) -> tuple[str, list[Answer]]:
        stream = client.send("hi")
        first = next(stream).content
        with pytest.raises(ChatError):
            next(stream)
        return first, list(stream)

    async with ScriptedServer(FAILURE) as server:
        assert await called(server, read) == ("half", [])


def leave_loop(client: SyncClient) -> None:
    for _ in client.send("hi"):
        break


def close_stream(client: SyncClient) -> None:
    stream = client.send("hi")
    next(stream)
    stream.close()
    assert list(stream) == []


def leave_block(client: SyncClient) -> None:
    with client.send("hi") as stream:
        next(stream)


@pytest.mark.parametrize("leave", [leave_loop, close_stream, leave_block])
async def test_leaving_cancels_at_once(leave: Callable[[SyncClient], None]) -> None:
    """Each way to leave an answer cancels its call while the client stays open."""
    left = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with ScriptedServer(hangs_after("a")) as server:

        def run(client: SyncClient) -> None:
            leave(client)
            cancelled = asyncio.run_coroutine_threadsafe(server.cancelled.wait(), loop)
            assert cancelled.result()
            loop.call_soon_threadsafe(left.set)

        await called(server, run)
        assert left.is_set() or await left.wait()


async def test_close_from_another_thread_ends_the_reader() -> None:
    """If another thread closes the stream, the reader sees its end and no error."""
    async with ScriptedServer(hangs_after("a")) as server:
        client = SyncClient(server.address)
        client.open()
        stream = await asyncio.to_thread(client.send, "hi")
        await asyncio.to_thread(next, stream)
        reader = asyncio.create_task(asyncio.to_thread(list[Answer], stream))
        await asyncio.sleep(0)
        await asyncio.to_thread(stream.close)
        assert await reader == []
        await server.cancelled.wait()
        await asyncio.to_thread(client.close)


async def test_closed_client_fails_running_answers() -> None:
    """If the client is closed, the reader gets ChatError CANCELLED."""
    async with ScriptedServer(hangs_after("a")) as server:
        client = SyncClient(server.address)
        client.open()
        stream: SyncAnswerStream = await asyncio.to_thread(client.send, "hi")
        await asyncio.to_thread(next, stream)
        reader = asyncio.create_task(asyncio.to_thread(list[Answer], stream))
        await asyncio.sleep(0)
        await asyncio.to_thread(client.close)
        with pytest.raises(ChatError) as caught:
            await reader
    assert caught.value.code is grpc.StatusCode.CANCELLED


def test_it_must_be_open() -> None:
    """A call on a closed client, opening twice and an odd number of attempts are errors."""
    client = SyncClient("127.0.0.1:1")
    with pytest.raises(RuntimeError, match="is not open"):
        client.ask("hi")
    client.open()
    with pytest.raises(RuntimeError, match="already open"):
        client.open()
    client.close()
    with pytest.raises(ValueError, match="max_attempts is 6"):
        SyncClient("127.0.0.1:1", max_attempts=6)
