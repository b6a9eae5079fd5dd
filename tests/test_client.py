import importlib
import subprocess
import sys

import grpc
import pytest
from grpc_health.v1 import health_pb2

import tokenwire_client
from support.scripted_server import (
    REQUEST_ID,
    ScriptedServer,
    fails,
    reason,
    says,
)
from tokenwire_client import (
    ChatError,
    Client,
    Effort,
    EmbedResponse,
    FinishReason,
    ListModelsResponse,
    Model,
    Part,
    Reasoning,
    Role,
    ServiceTier,
    TokenCount,
    Turn,
    Usage,
    Vector,
)
from tokenwire_client.v1.chatgpt_pb2 import EmbedRequest, Message, Params


async def test_yields_every_answer_and_the_end() -> None:
    """Iterating yields each piece in order, then the Answer that ends the call."""
    usage = Usage(input_tokens=3, output_tokens=2)
    script = says("Hel", "lo", usage=usage)
    async with ScriptedServer(script) as server, Client(server.address) as client:
        answers = [answer async for answer in client.send("hi")]
    assert [answer.content for answer in answers] == ["Hel", "lo", ""]
    assert answers[-1].finish_reason == FinishReason.FINISH_REASON_STOP
    assert answers[-1].usage == usage


async def test_sends_every_argument() -> None:
    """Every argument of send is sent in its field, including an explicit zero."""
    async with ScriptedServer(says()) as server, Client(server.address) as client:
        stream = client.send(
            "now",
            history=[("user", "a"), Turn(role=Role.ROLE_ASSISTANT, content="b")],
            system="",
            model="m",
            temperature=0,
            max_tokens=5,
            top_p=0.5,
            stop=["x", "y"],
            seed=7,
            frequency_penalty=-1,
            presence_penalty=0,
            user="u",
            top_logprobs=0,
            top_k=40,
            min_p=0,
            logit_bias={7: -1},
            service_tier=ServiceTier.SERVICE_TIER_FLEX,
            parts=[Part(url="https://example.com/a.png")],
            reasoning=Reasoning(effort=Effort.EFFORT_LOW, show=True),
        )
        async for _ in stream:
            pass
    assert server.requests == [
        Message(
            content="now",
            history=[
                Turn(role=Role.ROLE_USER, content="a"),
                Turn(role=Role.ROLE_ASSISTANT, content="b"),
            ],
            system="",
            params=Params(
                model="m",
                temperature=0,
                max_tokens=5,
                top_p=0.5,
                stop=["x", "y"],
                seed=7,
                frequency_penalty=-1,
                presence_penalty=0,
                user="u",
                top_logprobs=0,
                top_k=40,
                min_p=0,
                logit_bias={7: -1},
                service_tier=ServiceTier.SERVICE_TIER_FLEX,
            ),
            parts=[Part(url="https://example.com/a.png")],
            reasoning=Reasoning(effort=Effort.EFFORT_LOW, show=True),
        )
    ]


async def test_ask_returns_the_whole_answer() -> None:
    """`ask` takes the arguments of `send` and returns one Answer."""
    usage = Usage(input_tokens=1, output_tokens=2)
    script = says("Hel", "lo", usage=usage)
    async with ScriptedServer(script) as server, Client(server.address) as client:
        answer = await client.ask("now", history=[("user", "a")], temperature=0, timeout=60)
    assert (answer.content, answer.usage) == ("Hello", usage)
    [request] = server.requests
    assert request == Message(
        content="now",
        history=[Turn(role=Role.ROLE_USER, content="a")],
        params=Params(temperature=0),
    )


async def test_ask_raises_the_failure_of_the_call() -> None:
    """`ask` raises ChatError with the reason, as a stream does."""
    script = fails(grpc.StatusCode.UNAVAILABLE, "down", reason("UPSTREAM_ERROR"))
    async with ScriptedServer(script) as server, Client(server.address, max_attempts=1) as client:
        with pytest.raises(ChatError) as caught:
            await client.ask("now")
    assert (caught.value.code, caught.value.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "UPSTREAM_ERROR",
    )


async def test_leaves_unset_what_was_not_given() -> None:
    """`send` without options leaves every optional field unset."""
    async with ScriptedServer(says()) as server, Client(server.address) as client:
        async for _ in client.send("now"):
            pass
    [request] = server.requests
    assert not request.HasField("system")
    assert request.params == Params()


async def test_sends_metadata_of_client_and_call() -> None:
    """A call has the metadata of the client and of the call."""
    async with (
        ScriptedServer(says()) as server,
        Client(server.address, metadata=[("x-team", "red")]) as client,
    ):
        async for _ in client.send("hi", metadata=[("x-trace", "1")]):
            pass
    [metadata] = server.metadata
    assert metadata["x-team"] == "red"
    assert metadata["x-trace"] == "1"
    assert "tokenwire-python/" in str(metadata["user-agent"])


async def test_options_win_over_the_clients_own() -> None:
    """A channel option given to the client overrides the client's own."""
    options = [("grpc.primary_user_agent", "mine/1")]
    async with ScriptedServer(says()) as server, Client(server.address, options=options) as client:
        async for _ in client.send("hi"):
            pass
    [metadata] = server.metadata
    assert str(metadata["user-agent"]).startswith("mine/1 ")


async def test_tells_the_request_id_after_the_end() -> None:
    """A finished stream has the request ID of the server."""
    async with ScriptedServer(says("a")) as server, Client(server.address) as client:
        stream = client.send("hi")
        assert stream.request_id == ""
        async for _ in stream:
            pass
        assert stream.request_id == REQUEST_ID
        assert ("x-request-id", REQUEST_ID) in stream.trailing_metadata


async def test_ended_stream_stays_ended() -> None:
    """Iterating a finished stream again yields nothing, and closing it has no effect."""
    async with ScriptedServer(says("a")) as server, Client(server.address) as client:
        stream = client.send("hi")
        assert len([answer async for answer in stream]) == 2
        assert [answer async for answer in stream] == []
        await stream.aclose()
        assert stream.request_id == REQUEST_ID


async def test_rejects_a_bad_turn(subtests: pytest.Subtests) -> None:
    """An invalid turn raises ValueError, which shows the turn and what is allowed."""
    for turn in (("system", "x"), ("user", 3), "user", None):
        with subtests.test(turn=turn):
            async with Client("127.0.0.1:1") as client:
                with pytest.raises(ValueError, match="use Turn messages or pairs") as caught:
                    client.send("hi", history=[turn])  # type: ignore[list-item] # the mistake under test
            assert repr(turn) in str(caught.value)


async def test_rejects_one_text_as_stop() -> None:
    """A plain string as `stop` raises TypeError and is not split into characters."""
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(TypeError, match=r"stop=\['END'\]"):
            client.send("hi", stop="END")


async def test_use_outside_with_is_an_error() -> None:
    """Using a client before or after its block raises an error that explains how to open it."""
    client = Client("127.0.0.1:1")
    with pytest.raises(RuntimeError, match="async with"):
        client.send("hi")
    async with client:
        with pytest.raises(RuntimeError, match="already open"):
            await client.__aenter__()
    with pytest.raises(RuntimeError, match="async with"):
        await client.check()


async def test_check_says_whether_it_serves() -> None:
    """`check` returns True for a service that is serving and False for one that is not."""
    async with ScriptedServer(says()) as server, Client(server.address) as client:
        assert await client.check()
        assert await client.check("")
        not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
        await server.health.set("openai.Chatgpt", not_serving)
        assert not await client.check()


async def test_check_of_an_unknown_service_is_an_error() -> None:
    """`check` raises ChatError NOT_FOUND for a service that the server does not know."""
    async with ScriptedServer(says()) as server, Client(server.address) as client:
        with pytest.raises(ChatError) as caught:
            await client.check("no.Such")
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


def test_the_earlier_name_still_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """`tokenwire.client` has its earlier names, with a DeprecationWarning."""
    monkeypatch.delitem(sys.modules, "tokenwire.client", raising=False)
    with pytest.warns(DeprecationWarning, match="tokenwire-client"):
        earlier = importlib.import_module("tokenwire.client")
    assert earlier.Client is tokenwire_client.Client
    assert {"Client", "ChatError", "Turn"} <= set(earlier.__all__) <= set(tokenwire_client.__all__)


def test_import_brings_no_server_libraries() -> None:
    """Importing the client loads neither LangChain nor pydantic nor OpenTelemetry."""
    program = (
        "import sys, tokenwire_client\n"
        "heavy = {'langchain', 'langchain_core', 'openai', 'pydantic', 'opentelemetry'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


async def test_list_models_returns_the_models() -> None:
    """`list_models` returns the server's response, and sends the client's metadata."""
    response = ListModelsResponse(models=[Model(name="m")], default_model="m")
    async with (
        ScriptedServer(says()) as server,
        Client(server.address, metadata=[("who", "me")]) as client,
    ):
        server.replies["ListModels"] = response
        assert await client.list_models(timeout=60) == response
    assert server.metadata[0]["who"] == "me"


async def test_count_tokens_returns_the_count() -> None:
    """`count_tokens` takes the arguments of `send` and returns the server's count."""
    count = TokenCount(input_tokens=7, estimated=True)
    async with ScriptedServer(says()) as server, Client(server.address) as client:
        server.replies["CountTokens"] = count
        assert await client.count_tokens("now", history=[("user", "a")], system="") == count
    assert server.unary_requests == [
        Message(
            content="now",
            history=[Turn(role=Role.ROLE_USER, content="a")],
            system="",
            params=Params(),
        )
    ]


async def test_list_models_raises_the_failure_of_the_call() -> None:
    """`list_models` raises ChatError where the server has no such method."""
    async with ScriptedServer(says()) as server, Client(server.address) as client:
        with pytest.raises(ChatError) as caught:
            await client.list_models()
    assert caught.value.code is grpc.StatusCode.UNIMPLEMENTED


async def test_embed_returns_the_vectors() -> None:
    """`embed` sends every argument in its field and returns the server's response."""
    response = EmbedResponse(vectors=[Vector(values=[0.5])], model="m")
    async with ScriptedServer(says()) as server, Client(server.address) as client:
        server.replies["Embed"] = response
        assert await client.embed(["a"], model="m", dimensions=1, user="u") == response
        await client.embed(("a", "b"))
    assert server.unary_requests == [
        EmbedRequest(texts=["a"], model="m", dimensions=1, user="u"),
        EmbedRequest(texts=["a", "b"]),
    ]


async def test_embed_rejects_a_string() -> None:
    """`embed` raises TypeError for one string, whose characters would be the texts."""
    async with ScriptedServer(says()) as server, Client(server.address) as client:
        with pytest.raises(TypeError, match="pass a sequence"):
            await client.embed("ab")
