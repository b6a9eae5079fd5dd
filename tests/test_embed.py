"""`Embed` returns one vector for each text, in the order of the texts."""

from typing import Any

import grpc
import pytest

from support.app import MODEL, StartApp, Stub
from support.exposed import read
from support.helpers import reason_of, violated_fields_of
from support.otlp import Collector, attributes_of
from support.unary import error_of
from tokenwire import config
from tokenwire.api.chatgpt.embeddings import MAX_TEXTS
from tokenwire.app import App
from tokenwire.config import SettingsError
from tokenwire.core.errors import UnsupportedByModel
from tokenwire.upstreams.build import Models
from tokenwire.upstreams.langchain import LangChainModel
from tokenwire.upstreams.progress_timer import Timeouts
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream
from tokenwire_demo.embedding import DIMENSIONS, vector

EMBEDDER = "demo-embedder"
LABELS = {"grpc_type": "unary", "grpc_service": "openai.Chatgpt", "grpc_method": "Embed"}
GEN_AI = {"gen_ai_operation_name": "embeddings", "gen_ai_provider_name": "openai"}
HELLO = pb.EmbedRequest(texts=["hello"])
TWO = pb.EmbedRequest(texts=["a", "b"])


@pytest.fixture
async def embedder(start_app: StartApp) -> App:
    """A server with a default model for embeddings."""
    return await start_app(embedding_model=EMBEDDER, prices=f"{EMBEDDER}=2:0")


@pytest.fixture
async def embedder_stub(embedder: App) -> "chatgpt_pb2_grpc.ChatgptAsyncStub":
    return chatgpt_pb2_grpc.ChatgptStub(grpc.aio.insecure_channel(embedder.address))


def numbers_of(response: pb.EmbedResponse) -> list[list[float]]:
    return [list(each.values) for each in response.vectors]


async def test_each_text_has_its_vector(embedder_stub: Stub, upstream: DemoUpstream) -> None:
    """The vectors are the upstream's, in the order of the texts, with its model and usage."""
    texts = ["hello", "two words", "hello", "Zürich 🙂"]
    response = await embedder_stub.Embed(pb.EmbedRequest(texts=texts, user="me"))
    assert numbers_of(response) == [list(vector(text, DIMENSIONS)) for text in texts]
    assert (response.model, response.usage) == (
        EMBEDDER,
        pb.Usage(input_tokens=6, cost_nanodollars=12_000),
    )
    [request] = upstream.requests
    assert (request.method, request.path) == ("POST", "/v1/embeddings")
    assert request.headers["accept"] == "application/json"
    assert request.body == {
        "model": EMBEDDER,
        "input": texts,
        "encoding_format": "base64",
        "user": "me",
    }


async def test_the_length_of_the_vectors(embedder_stub: Stub, upstream: DemoUpstream) -> None:
    """`dimensions` and `model` reach the upstream."""
    response = await embedder_stub.Embed(
        pb.EmbedRequest(texts=["hello"], dimensions=3, model="mine")
    )
    assert numbers_of(response) == [list(vector("hello", 3))]
    body = upstream.requests[0].body
    assert (body["model"], body["dimensions"]) == ("mine", 3)


INVALID = {
    "texts": pb.EmbedRequest(),
    "texts[1]": pb.EmbedRequest(texts=["a", "", "b", ""]),
    "dimensions": pb.EmbedRequest(texts=["a"], dimensions=0),
    "user": pb.EmbedRequest(texts=["a"], user="x" * 257),
    "model": pb.EmbedRequest(texts=["a"], model="new\nline"),
}
LARGE = {
    "texts": pb.EmbedRequest(texts=["a"] * (MAX_TEXTS + 1)),
    "dimensions": pb.EmbedRequest(texts=["a"], dimensions=1_000_001),
}


@pytest.mark.parametrize("requests", [INVALID, LARGE])
async def test_an_invalid_request_is_rejected(
    embedder_stub: Stub,
    upstream: DemoUpstream,
    subtests: pytest.Subtests,
    requests: dict[str, pb.EmbedRequest],
) -> None:
    """A field that is out of range is named, and nothing is asked upstream."""
    for field, request in requests.items():
        with subtests.test(field=field):
            error = await error_of(embedder_stub.Embed(request))
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert reason_of(error) == "INVALID_PARAMETER"
            assert violated_fields_of(error) == [field]
    assert upstream.requests_seen == 0


async def test_a_request_of_many_fields_is_not_parsed(
    channel: grpc.aio.Channel, subtests: pytest.Subtests
) -> None:
    """Too many texts and too many unknown fields are rejected before they are parsed."""
    cases = {"texts": b"\x12\x00" * 1_000_000, "request": b"\x30\x00" * 1_000_000}
    for field, request in cases.items():
        with subtests.test(field=field):
            call: Any = channel.unary_unary(
                "/openai.Chatgpt/Embed", response_deserializer=pb.EmbedResponse.FromString
            )
            assert violated_fields_of(await error_of(call(request))) == [field]


async def test_more_vectors_than_fit_are_not_asked_for(
    embedder_stub: Stub, upstream: DemoUpstream
) -> None:
    """Where the length of the vectors is known, too many texts are rejected at once."""
    request = pb.EmbedRequest(texts=["a"] * 652, dimensions=1_536)
    assert violated_fields_of(await error_of(embedder_stub.Embed(request))) == ["texts"]
    assert upstream.requests_seen == 0


async def test_a_model_is_needed(stub: Stub, upstream: DemoUpstream) -> None:
    """Without a default model for embeddings, a request must name one."""
    assert violated_fields_of(await error_of(stub.Embed(HELLO))) == ["model"]
    assert upstream.requests_seen == 0
    response = await stub.Embed(pb.EmbedRequest(texts=["hello"], model="mine"))
    assert response.model == "mine"


async def test_the_models_of_the_settings_limit_those_of_requests(
    start_app: StartApp, subtests: pytest.Subtests
) -> None:
    """A request may name the listed models and the default one, and no other."""
    app = await start_app(models="small", embedding_model=EMBEDDER)
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        for name in ("", "small", EMBEDDER):
            with subtests.test(name=name):
                request = pb.EmbedRequest(texts=["hello"], model=name)
                assert (await stub.Embed(request)).model == name or EMBEDDER
        error = await error_of(stub.Embed(pb.EmbedRequest(texts=["hello"], model="large")))
        listed = await stub.ListModels(pb.ListModelsRequest())
    assert (reason_of(error), violated_fields_of(error)) == ("UNKNOWN_MODEL", ["model"])
    assert listed.default_embedding_model == EMBEDDER
    assert {each.name: list(each.abilities) for each in listed.models} == {
        EMBEDDER: [pb.ABILITY_EMBEDDINGS],
        MODEL: [pb.ABILITY_CHAT],
        "small": [],
    }


async def test_a_value_that_the_caller_set_is_the_callers_error(
    embedder_stub: Stub, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """The upstream's rejection of a field that the caller set names the field."""
    request = pb.EmbedRequest(texts=["hello"], model="mine", dimensions=9, user="me")
    plans = {
        "dimensions": "status 400 param=dimensions",
        "user": "status 400 param=user",
        "model": "status 404",
    }
    for field, plan in plans.items():
        with subtests.test(field=field):
            upstream.script(plan)
            assert violated_fields_of(await error_of(embedder_stub.Embed(request))) == [field]


async def test_an_upstream_that_rejects_base64(embedder_stub: Stub, upstream: DemoUpstream) -> None:
    """It is asked again for decimal numbers, and not asked for base64 any more."""
    upstream.script("status 400 param=encoding_format")
    for _ in range(2):
        response = await embedder_stub.Embed(HELLO)
        assert numbers_of(response) == [list(vector("hello", DIMENSIONS))]
    assert [each.body.get("encoding_format") for each in upstream.requests] == [
        "base64",
        None,
        None,
    ]


async def test_metrics_tell_the_operation(embedder: App, embedder_stub: Stub) -> None:
    """Tokens and cost are counted, and the durations are those of embeddings."""
    await embedder_stub.Embed(pb.EmbedRequest(texts=["one two three"]))
    exposed = await read(embedder)
    model = GEN_AI | {"gen_ai_request_model": EMBEDDER}
    for name in ("client_operation", "server_request"):
        count = f"gen_ai_{name}_duration_seconds_count"
        assert exposed.value(count, **model, error_type="") == 1
    usage = "gen_ai_client_token_usage_sum"
    assert exposed.value(usage, **model, gen_ai_token_type="input") == 3
    assert exposed.total("tokenwire_tokens_total", gen_ai_token_type="input") == 3
    assert exposed.total("tokenwire_tokens_total", gen_ai_token_type="output") == 0
    assert exposed.total("tokenwire_cost_dollars_total") == 6e-6
    assert exposed.value("grpc_server_handled_total", **LABELS, grpc_code="OK") == 1
    assert exposed.total("gen_ai_server_time_to_first_token_seconds_count") == 0
    assert exposed.total("tokenwire_finish_reasons_total") == 0


async def test_a_call_has_a_span_of_the_conventions(
    collector: Collector, start_app: StartApp, upstream: DemoUpstream
) -> None:
    """The span has the operation, the model, the length and the usage, and no text."""
    app = await start_app(embedding_model=EMBEDDER)
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        await stub.Embed(pb.EmbedRequest(texts=["canary text"], dimensions=3, user="canary"))
    [span] = await collector.answered(1)
    assert span.name == f"embeddings {EMBEDDER}"
    assert attributes_of(span) == {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": EMBEDDER,
        "gen_ai.embeddings.dimension.count": 3,
        "gen_ai.request.encoding_formats": ["base64"],
        "gen_ai.response.model": EMBEDDER,
        "gen_ai.usage.input_tokens": 2,
    }
    assert "canary" not in str(collector.spans)
    assert span.span_id.hex() in upstream.requests[0].headers["traceparent"]


async def test_the_log_line_has_the_usage(
    embedder_stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    """The log line of a call has its method, its model and its tokens, and no text."""
    caplog.set_level("INFO", "tokenwire.call")
    await embedder_stub.Embed(pb.EmbedRequest(texts=["canary text"]))
    fields = vars(caplog.records[-1])
    assert (fields["method"], fields["model"], fields["input_tokens"]) == ("Embed", EMBEDDER, 2)
    assert "canary" not in str(fields)


async def test_another_provider_has_no_embeddings(upstream: DemoUpstream) -> None:
    """A LangChain provider's server rejects embeddings, and asks nothing upstream."""
    from langchain_core.language_models import GenericFakeChatModel  # noqa: PLC0415 - slow

    model = LangChainModel(GenericFakeChatModel(messages=iter(())), Timeouts(60, 60))
    assert Models(model).embeddings is None
    settings = config.load(
        base_url=upstream.base_url, listen="127.0.0.1:0", metrics_listen="127.0.0.1:0"
    )
    async with (
        App(settings, model) as app,
        grpc.aio.insecure_channel(app.address) as channel,
    ):
        error = await error_of(
            chatgpt_pb2_grpc.ChatgptStub(channel).Embed(pb.EmbedRequest(texts=["a"], model="m"))
        )
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(error) == UnsupportedByModel.reason
    assert violated_fields_of(error) == ["model"]
    assert upstream.requests_seen == 0


def test_a_default_model_needs_an_openai_compatible_upstream() -> None:
    """A default model with another provider is a settings error that names the variable."""
    with pytest.raises(SettingsError) as caught:
        config.load(provider="anthropic", model="name", embedding_model="m")
    [problem] = caught.value.problems
    assert "TOKENWIRE_EMBEDDING_MODEL" in problem
