"""`ListModels` returns the models that a request may name, as the settings have them."""

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from support.app import MODEL, StartApp, Stub
from support.exposed import read
from support.helpers import reason_of
from support.otlp import Collector
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

LABELS = {"grpc_type": "unary", "grpc_service": "openai.Chatgpt", "grpc_method": "ListModels"}


async def listed(app: App) -> pb.ListModelsResponse:
    async with grpc.aio.insecure_channel(app.address) as channel:
        return await chatgpt_pb2_grpc.ChatgptStub(channel).ListModels(pb.ListModelsRequest())


async def test_the_models_of_the_settings_are_listed(start_app: StartApp) -> None:
    """Each model that a request may name is listed once, by the code points of the names."""
    app = await start_app(models=f"small,\u00fcber,Large,{MODEL}")
    response = await listed(app)
    assert [model.name for model in response.models] == ["Large", MODEL, "small", "\u00fcber"]
    assert response.default_model == MODEL
    assert not response.any_model


async def test_any_model_may_be_named_where_the_settings_list_none(app: App) -> None:
    """Without a list, the default model is listed and any other may be named too."""
    response = await listed(app)
    assert response == pb.ListModelsResponse(
        models=[pb.Model(name=MODEL, abilities=[pb.ABILITY_CHAT], serving=True)],
        default_model=MODEL,
        any_model=True,
    )


async def test_a_listed_model_can_be_asked_and_no_other(
    start_app: StartApp, subtests: pytest.Subtests
) -> None:
    """`Ask` accepts exactly the models that are listed, unless any may be named."""
    app = await start_app(models="small")
    names = {model.name for model in (await listed(app)).models}
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        for name in ("small", MODEL, "large"):
            with subtests.test(name=name):
                message = pb.Message(content="hello", params=pb.Params(model=name))
                if name in names:
                    assert (await stub.Ask(message)).content
                    continue
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await stub.Ask(message)
                assert reason_of(caught.value) == "UNKNOWN_MODEL"


async def test_prices_are_those_of_the_settings(start_app: StartApp) -> None:
    """A model has the price that the settings name, and none where they name none."""
    app = await start_app(models="small,free", prices=f"{MODEL}=0.15:0.6:0.075,free=0:0,other=1:1")
    models = {model.name: model for model in (await listed(app)).models}
    assert models[MODEL].price == pb.Price(input=0.15, output=0.6, cached_input=0.075)
    assert models["free"].HasField("price")
    assert not models["small"].HasField("price")
    assert "other" not in models


async def test_a_model_is_not_serving_where_health_says_so(app: App) -> None:
    """`serving` follows the health service."""
    assert [model.serving for model in (await listed(app)).models] == [True]
    app.components.health.set_status(health_pb2.HealthCheckResponse.NOT_SERVING)
    assert [model.serving for model in (await listed(app)).models] == [False]


async def test_nothing_is_asked_of_the_upstream(
    app: App, stub: Stub, upstream: DemoUpstream
) -> None:
    """A call is counted as one of its method and OK, without an operation of a model."""
    await stub.ListModels(pb.ListModelsRequest())
    assert upstream.requests_seen == 0
    exposed = await read(app)
    assert exposed.value("grpc_server_handled_total", **LABELS, grpc_code="OK") == 1
    assert exposed.total("tokenwire_calls_total", outcome="ok") == 1
    assert exposed.total("gen_ai_server_request_duration_seconds_count") == 0
    assert exposed.total("gen_ai_client_operation_duration_seconds_count") == 0


async def test_a_call_has_a_server_span_alone(traced_stub: Stub, collector: Collector) -> None:
    """The span of a call is that of its method, and there is none of a model."""
    await traced_stub.ListModels(pb.ListModelsRequest())
    [span] = await collector.received(1)
    assert span.name == "/openai.Chatgpt/ListModels"
    assert len(collector.spans) == 1


UNREADABLE = {
    "MALFORMED_REQUEST": b"\x0a\xff",
    "INVALID_PARAMETER": b"\x30\x00" * 5_000,
}


async def test_an_odd_request_is_rejected(
    channel: grpc.aio.Channel, subtests: pytest.Subtests
) -> None:
    """Bytes that are no request, and a request of thousands of unknown fields, are rejected."""
    for reason, request in UNREADABLE.items():
        with subtests.test(reason=reason):
            call: Any = channel.unary_unary(
                "/openai.Chatgpt/ListModels",
                response_deserializer=pb.ListModelsResponse.FromString,
            )
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(request)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert reason_of(caught.value) == reason
