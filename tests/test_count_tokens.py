"""`CountTokens` returns the upstream's count where it has a tokenizer, or else an estimate."""

import grpc
import pytest

from support.app import MODEL, StartApp, Stub
from support.call_records import new_call
from support.exposed import read
from support.helpers import violated_fields_of
from support.otlp import Collector, attributes_of
from support.unary import error_of
from tokenwire import config
from tokenwire.app import App
from tokenwire.config import SettingsError
from tokenwire.core.domain import ChatRequest, Effort, Reasoning, Turn
from tokenwire.core.domain import Role as TurnRole
from tokenwire.core.errors import InvalidParameter
from tokenwire.core.token_counter import TokenCount, estimate
from tokenwire.upstreams.langchain import LangChainModel
from tokenwire.upstreams.langchain.token_counter import LangChainTokenCounter
from tokenwire.upstreams.progress_timer import Timeouts
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

LABELS = {"grpc_type": "unary", "grpc_service": "openai.Chatgpt", "grpc_method": "CountTokens"}
GEN_AI = {"gen_ai_operation_name": "count_tokens", "gen_ai_provider_name": "openai"}
HELLO = pb.Message(content="hello")
CONVERSATION = pb.Message(
    content="And now?",
    system="Be brief.",
    history=[
        pb.Turn(role=pb.ROLE_USER, content="Zürich"),
        pb.Turn(
            role=pb.ROLE_ASSISTANT,
            tool_calls=[pb.ToolCall(id="a", name="get", arguments='{"x":1}')],
        ),
        pb.Turn(role=pb.ROLE_TOOL, tool_call_id="a", content="sun"),
    ],
    tools=[pb.Tool(name="get", description="Gets.", parameters='{"type":"object"}')],
    params=pb.Params(model="other", temperature=0.5, stop=["END"]),
)


@pytest.fixture
async def vllm(start_app: StartApp) -> App:
    """A server whose upstream has a tokenizer."""
    return await start_app(tokenizer="vllm")


@pytest.fixture
async def vllm_stub(vllm: App) -> "chatgpt_pb2_grpc.ChatgptAsyncStub":
    return chatgpt_pb2_grpc.ChatgptStub(grpc.aio.insecure_channel(vllm.address))


async def test_an_estimate_says_so(stub: Stub, upstream: DemoUpstream) -> None:
    """Without a tokenizer the count is an estimate, and nothing is asked upstream."""
    count = await stub.CountTokens(pb.Message(content="x" * 401, system=""))
    assert count == pb.TokenCount(input_tokens=101 + 3 + 3, estimated=True)
    assert upstream.requests_seen == 0


async def test_the_estimate_counts_every_text_in_bytes(stub: Stub) -> None:
    """System prompt, turns, tool calls and tools count; ü has two bytes."""
    texts = ["And now?", "Be brief.", "Zürich", "get", '{"x":1}', "sun"]
    texts += ["get", "Gets.", '{"type":"object"}']
    size = sum(len(text.encode()) for text in texts)
    count = await stub.CountTokens(CONVERSATION)
    assert count.input_tokens == -(-size // 4) + 3 * 5 + 3


async def test_the_estimate_counts_the_turns_of_every_step() -> None:
    """Turns of all steps of large work are counted."""
    turns = (Turn(TurnRole.USER, "x" * 4),) * 4_096
    count = await estimate(ChatRequest("y" * 4, MODEL, history=turns))
    assert count == TokenCount(4_097 * (1 + 3) + 3, estimated=True)


async def test_the_estimate_counts_images_and_files(stub: Stub) -> None:
    """An image has the tokens of OpenAI's models, and a text file those of its bytes."""
    image = pb.Part(url="https://example.com/a.png")
    small = pb.Part(url="https://example.com/a.png", detail=pb.DETAIL_LOW)
    text = pb.Part(inline=b"x" * 401, media_type="text/plain")
    turn = pb.Turn(role=pb.ROLE_USER, parts=[small])
    message = pb.Message(parts=[image, text], history=[turn], system="")
    count = await stub.CountTokens(message)
    assert count.input_tokens == 765 + 85 + 101 + 2 * 3 + 3


INVALID = {
    "content": pb.Message(content=" "),
    "params.temperature": pb.Message(content="hello", params=pb.Params(temperature=9)),
    "history[0].role": pb.Message(content="hello", history=[pb.Turn(content="x")]),
    "format.regex": pb.Message(content="hello", format=pb.Format(regex="a+")),
}


@pytest.mark.parametrize("tokenizer", ["none", "vllm"])
async def test_a_message_is_validated_as_for_send(
    start_app: StartApp, upstream: DemoUpstream, subtests: pytest.Subtests, tokenizer: str
) -> None:
    """A message that `Ask` rejects is rejected for the same reason, with no upstream request."""
    app = await start_app(tokenizer=tokenizer)
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        for field, message in INVALID.items():
            with subtests.test(field=field):
                asked = await error_of(stub.Ask(message))
                counted = await error_of(stub.CountTokens(message))
                assert (counted.code(), violated_fields_of(counted)) == (
                    grpc.StatusCode.INVALID_ARGUMENT,
                    [field],
                )
                assert violated_fields_of(asked) == [field]
    assert upstream.requests_seen == 0


async def test_the_upstream_counts(vllm_stub: Stub, upstream: DemoUpstream) -> None:
    """The upstream's count is returned; it receives what its chat template reads."""
    count = await vllm_stub.CountTokens(CONVERSATION)
    words = ["And", "now?", "Be", "brief.", "Zürich", '{"x":1}', "sun"]
    assert count == pb.TokenCount(input_tokens=len(words))
    [request] = upstream.requests
    assert (request.method, request.path) == ("POST", "/tokenize")
    assert request.headers["accept"] == "application/json"
    assert request.body == {
        "model": "other",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Zürich"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "a",
                        "type": "function",
                        "function": {"name": "get", "arguments": '{"x":1}'},
                    }
                ],
            },
            {"role": "tool", "content": "sun", "tool_call_id": "a"},
            {"role": "user", "content": "And now?"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "get",
                    "description": "Gets.",
                    "parameters": {"type": "object"},
                },
            }
        ],
    }


async def test_the_tokenizer_is_beside_the_api(
    start_app: StartApp, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """The tokenizer's path replaces `/v1` at the end of the base URL; its query is kept."""
    root = upstream.base_url.removesuffix("/v1")
    paths = {
        f"{root}/v1/": "/tokenize",
        f"{root}/a%2Fb/v1?x=1%2B2": "/a%2Fb/tokenize?x=1%2B2",
        f"{root}/v1/chat/completions": "/tokenize",
        f"{root}/other": "/other/tokenize",
    }
    for base_url, path in paths.items():
        with subtests.test(base_url=base_url):
            app = await start_app(base_url=base_url, tokenizer="vllm")
            async with grpc.aio.insecure_channel(app.address) as channel:
                await chatgpt_pb2_grpc.ChatgptStub(channel).CountTokens(HELLO)
            assert upstream.requests[-1].path == path


async def test_a_model_that_the_caller_named_is_the_callers_error(
    vllm_stub: Stub, upstream: DemoUpstream
) -> None:
    """404 for a model that the caller named freely is UNKNOWN_MODEL."""
    upstream.script("status 404")
    message = pb.Message(content="hello", params=pb.Params(model="mine"))
    error = await error_of(vllm_stub.CountTokens(message))
    assert violated_fields_of(error) == ["params.model"]


async def test_a_connection_is_reused(vllm_stub: Stub, upstream: DemoUpstream) -> None:
    """Counts and answers use one pool of connections."""
    await vllm_stub.CountTokens(HELLO)
    await vllm_stub.Ask(HELLO)
    await vllm_stub.CountTokens(HELLO)
    assert len(upstream.connections) == 1


async def test_metrics_tell_the_operation(vllm: App, vllm_stub: Stub) -> None:
    """A count is an operation of its own, without tokens and without a first token."""
    await vllm_stub.CountTokens(HELLO)
    exposed = await read(vllm)
    model = GEN_AI | {"gen_ai_request_model": MODEL, "error_type": ""}
    assert exposed.value("gen_ai_client_operation_duration_seconds_count", **model) == 1
    assert exposed.value("gen_ai_server_request_duration_seconds_count", **model) == 1
    assert exposed.value("grpc_server_handled_total", **LABELS, grpc_code="OK") == 1
    assert exposed.total("tokenwire_tokens_total") == 0
    assert exposed.total("gen_ai_server_time_to_first_token_seconds_count") == 0


async def test_a_caller_who_leaves_waited_for_no_token(
    vllm: App, vllm_stub: Stub, upstream: DemoUpstream
) -> None:
    """A count whose deadline passes is no late first token."""
    upstream.script("stall")
    await error_of(vllm_stub.CountTokens(HELLO, timeout=0.3))
    await upstream.wait_until_disconnected()
    exposed = await read(vllm)
    assert exposed.total("tokenwire_calls_total", outcome="deadline") == 1
    assert exposed.total("tokenwire_abandoned_wait_seconds_count") == 0


async def test_a_request_has_a_span(
    collector: Collector, start_app: StartApp, upstream: DemoUpstream
) -> None:
    """The request to the upstream has a span below the call's, and the trace continues there."""
    app = await start_app(tokenizer="vllm")
    async with grpc.aio.insecure_channel(app.address) as channel:
        await chatgpt_pb2_grpc.ChatgptStub(channel).CountTokens(HELLO)
    [span] = await collector.answered(1)
    [server] = await collector.received(1)
    assert (span.name, span.parent_span_id) == (f"count_tokens {MODEL}", server.span_id)
    assert attributes_of(span) == {
        "gen_ai.operation.name": "count_tokens",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": MODEL,
        "tokenwire.prompt_tokens": 1,
    }
    assert span.span_id.hex() in upstream.requests[0].headers["traceparent"]


async def test_the_log_has_the_count(
    stub: Stub, vllm_stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    """The log line of a call has its method and the count, and says if that is an estimate."""
    caplog.set_level("INFO", "tokenwire.call")
    await stub.CountTokens(HELLO)
    await vllm_stub.CountTokens(HELLO)
    estimated, counted = map(vars, caplog.records)
    assert estimated["method"] == counted["method"] == "CountTokens"
    assert (estimated["prompt_tokens"], estimated["estimated"]) == (8, True)
    assert counted["prompt_tokens"] == 1
    assert "estimated" not in counted


async def test_another_provider_has_an_estimate() -> None:
    """LangChain's models reject what they reject for an answer, and are estimated otherwise."""
    from langchain_core.language_models import GenericFakeChatModel  # noqa: PLC0415 - slow

    model = LangChainModel(GenericFakeChatModel(messages=iter(())), Timeouts(60, 60))
    counter = LangChainTokenCounter(model)
    assert (await counter.count(ChatRequest("x" * 8, MODEL), new_call())).estimated
    request = ChatRequest("x", MODEL, reasoning=Reasoning(effort=Effort.LOW))
    with pytest.raises(InvalidParameter) as caught:
        await counter.count(request, new_call())
    assert caught.value.field == "reasoning.effort"


def test_a_tokenizer_needs_an_openai_compatible_upstream() -> None:
    """A tokenizer with another provider is a settings error that names the variable."""
    with pytest.raises(SettingsError) as caught:
        config.load(provider="anthropic", model="name", tokenizer="vllm")
    [problem] = caught.value.problems
    assert "TOKENWIRE_TOKENIZER" in problem
