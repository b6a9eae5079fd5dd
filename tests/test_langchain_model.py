"""Calls of ChatTokenwire: cancellation, deadlines, retries, failures and connections."""

import asyncio
import copy
import pickle
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps, loads
from langchain_core.messages import HumanMessage, trim_messages
from pydantic import SecretStr, ValidationError

from support.chat_model import chat_model, in_thread
from support.scripted_server import Context, ScriptedServer, fails, hangs_after, says
from tokenwire_client import Answer, ChatError, TokenCount
from tokenwire_client.langchain import ChatTokenwire
from tokenwire_client.v1.chatgpt_pb2 import Message


async def test_all_ways_to_call() -> None:
    """`invoke`, `ainvoke`, `stream`, `astream` and `batch` return the answer."""
    async with ScriptedServer(says("bl", "ue")) as server, chat_model(server.address) as model:
        assert (await model.ainvoke("Why?")).text == "blue"
        assert [chunk.text async for chunk in model.astream("Why?")] == ["bl", "ue", ""]
        assert (await in_thread(lambda: model.invoke("Why?"))).text == "blue"
        assert await in_thread(lambda: [chunk.text for chunk in model.stream("Why?")]) == [
            *("bl", "ue", "")
        ]
        both = await in_thread(lambda: model.batch(["a", "b"]))
        assert [each.text for each in both] == ["blue", "blue"]


async def test_who_calls_and_with_what() -> None:
    """The key, the metadata and the parameters of model and call are sent; a call's override."""
    fields = {
        "api_key": "a-key",
        "call_metadata": [("tenant", "a")],
        "temperature": 0.5,
        "top_k": 3,
    }
    async with ScriptedServer(says("a")) as server, chat_model(server.address, **fields) as model:
        await model.ainvoke("hi", temperature=0, stop=["x"], call_metadata=[("ticket", "7")])
    [request], [metadata] = server.requests, server.metadata
    assert (request.params.temperature, request.params.top_k) == (0, 3)
    assert list(request.params.stop) == ["x"]
    assert (
        metadata.items() >= {"authorization": "Bearer a-key", "tenant": "a", "ticket": "7"}.items()
    )


async def test_leaving_an_async_stream_cancels_the_call() -> None:
    """`break` and the cancellation of the reading task cancel the call of a model that is open."""
    async with ScriptedServer(hangs_after("a")) as server, chat_model(server.address) as model:
        async for _ in model.astream("hi"):
            break
        await server.cancelled.wait()
        server.cancelled.clear()
        first = asyncio.Event()

        async def read() -> None:
            async for _ in model.astream("hi"):
                first.set()

        reader = asyncio.create_task(read())
        await first.wait()
        reader.cancel()
        await server.cancelled.wait()
        with pytest.raises(asyncio.CancelledError):
            await reader


async def test_cancelling_ainvoke_cancels_the_call() -> None:
    """The cancellation of a task that waits for a whole answer cancels the call."""
    arrived = asyncio.Event()

    async def script(request: Message, context: Context) -> AsyncIterator[Answer]:
        arrived.set()
        async for answer in hangs_after()(request, context):
            yield answer

    async with ScriptedServer(script) as server, chat_model(server.address) as model:
        waiting = asyncio.create_task(model.ainvoke("hi"))
        await arrived.wait()
        waiting.cancel()
        await server.cancelled.wait()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_leaving_a_sync_stream_cancels_the_call() -> None:
    """`break` in a thread cancels the call."""

    def read(model: ChatTokenwire) -> None:
        for _ in model.stream("hi"):
            break

    async with ScriptedServer(hangs_after("a")) as server, chat_model(server.address) as model:
        await in_thread(lambda: read(model))
        await server.cancelled.wait()


async def test_the_deadline() -> None:
    """`timeout` is the deadline of each call, and a call can have its own."""
    left: list[float | None] = []

    async def script(_request: Message, context: Context) -> AsyncIterator[Answer]:
        left.append(context.time_remaining())
        async for answer in says("a")(_request, context):
            yield answer

    async with (
        ScriptedServer(script) as server,
        chat_model(server.address, timeout=60) as model,
    ):
        await model.ainvoke("hi")
        await in_thread(lambda: list(model.stream("hi", timeout=1000)))
        await model.ainvoke("hi", timeout=None)
    # gRPC rounds a deadline up, by at most one percent.
    assert left[0] is not None
    assert 0 < left[0] < 62
    assert left[1] is not None
    assert 62 < left[1] < 1020
    assert left[2] is None or left[2] > 1020


@pytest.mark.parametrize(("max_retries", "expected"), [(0, 1), (1, 2)])
async def test_retries(max_retries: int, expected: int) -> None:
    """A call that fails before the first token is repeated `max_retries` times."""
    async with (
        ScriptedServer(fails(grpc.StatusCode.UNAVAILABLE, "no")) as server,
        chat_model(server.address, max_retries=max_retries) as model,
    ):
        with pytest.raises(ChatError):
            await model.ainvoke("hi")
    assert len(server.requests) == expected


async def test_tokens_are_counted_by_the_server() -> None:
    """`get_num_tokens` and `trim_messages` ask the server."""
    async with ScriptedServer(says()) as server, chat_model(server.address) as model:
        server.replies["CountTokens"] = TokenCount(input_tokens=7)
        assert await in_thread(lambda: model.get_num_tokens("hello there")) == 7
        messages = [HumanMessage("a"), HumanMessage("b")]
        kept = await in_thread(
            lambda: trim_messages(messages, max_tokens=7, token_counter=model, strategy="last")
        )
        assert kept == messages
    assert isinstance(server.unary_requests[0], Message)
    assert server.unary_requests[0].content == "hello there"


async def test_streaming_makes_invoke_stream() -> None:
    """With `streaming`, `invoke` reports each token to callbacks."""
    tokens: list[str] = []

    class Reader(BaseCallbackHandler):
        def on_llm_new_token(self, token: object, **_kwargs: object) -> None:
            tokens.append(str(token))

    async with (
        ScriptedServer(says("bl", "ue")) as server,
        chat_model(server.address, streaming=True) as model,
    ):
        message = await model.ainvoke("Why?", config={"callbacks": [Reader()]})
    assert message.text == "blue"
    assert tokens == ["bl", "ue", ""]


async def test_one_model_serves_several_event_loops() -> None:
    """A model that was used in one event loop works in the next, and copies open their own."""

    def run(model: ChatTokenwire) -> list[str]:
        found: list[str] = []
        for each in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301
            found += [asyncio.run(each.ainvoke("hi")).text for _ in range(2)]
            each.close()
        return found

    async with ScriptedServer(says("a")) as server:
        assert await in_thread(lambda: run(ChatTokenwire(target=server.address))) == ["a"] * 6


async def test_a_closed_model_opens_again() -> None:
    """After `close` and `aclose`, the next call opens new connections."""
    async with ScriptedServer(says("a")) as server, chat_model(server.address) as model:
        for _ in range(2):
            assert (await model.ainvoke("hi")).text == "a"
            await model.aclose()
            assert (await in_thread(lambda: model.invoke("hi"))).text == "a"
            await in_thread(model.close)


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_it_is_serialized_without_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """LangChain's `loads` makes the same model again, with the key from the environment."""
    monkeypatch.setenv("TOKENWIRE_API_KEY", "a-key")
    model = ChatTokenwire(target="a:1", temperature=0.5)
    assert model.api_key == SecretStr("a-key")
    text = dumps(model)
    assert "a-key" not in text
    made = loads(
        text,
        allowed_objects=[ChatTokenwire],
        valid_namespaces=["tokenwire_client"],
        secrets_from_env=True,
    )
    assert isinstance(made, ChatTokenwire)
    assert (made.target, made.temperature, made.api_key) == ("a:1", 0.5, model.api_key)


async def test_a_token_file_comes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The token of a file is sent although the environment has a key; with both given, it fails."""
    monkeypatch.setenv("TOKENWIRE_API_KEY", "a-key")
    file = tmp_path / "token"
    file.write_text("a-token\n")
    async with (
        ScriptedServer(says("a")) as server,
        chat_model(server.address, token_file=file) as model,
    ):
        await model.ainvoke("hi")
    assert server.metadata[0]["authorization"] == "Bearer a-token"
    with pytest.raises(ValueError, match="key and token_file cannot be combined"):
        ChatTokenwire(target="a:1", token_file=file, api_key=SecretStr("a-key"))


def test_unknown_fields_are_rejected() -> None:
    """A misspelt field and too many retries raise a ValidationError."""
    with pytest.raises(ValidationError, match="temprature"):
        ChatTokenwire.model_validate({"target": "a:1", "temprature": 1})
    with pytest.raises(ValidationError, match="max_retries"):
        ChatTokenwire(target="a:1", max_retries=5)
