"""xAI's API as a part of the server: its setting, health, reflection, metrics and records."""

import logging
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
from google.protobuf.empty_pb2 import Empty
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from support.app import StartApp
from support.exposed import read
from support.gateway import gateway_world
from support.health import SERVING, health_of
from support.helpers import reason_of, violated_fields_of
from support.otlp import Collector
from support.unary import error_of
from support.xai import XaiStubs, asked, xai_stubs
from tokenwire.api.xai.service import METHODS, SERVICES
from tokenwire.app import App
from tokenwire.cli.keys import hash_of
from tokenwire.config import SettingsError, load
from tokenwire.observability.usage.record import UsageRecord
from tokenwire.xai.v1 import xai_pb2 as pb

KEY = "tw_team_canary"
BEARER = (("authorization", f"Bearer {KEY}"),)


async def test_it_is_off_by_default(app: App) -> None:
    """Without the setting, no method exists, and there are no series of one."""
    async with xai_stubs(app.address) as stubs:
        error = await error_of(stubs.chat.GetCompletion(asked()))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert not (await read(app)).total("grpc_server_handled_total", grpc_service="xai_api.Chat")


def test_an_unknown_protocol_stops_the_start() -> None:
    """The error names the setting and what is allowed."""
    with pytest.raises(SettingsError, match=r"TOKENWIRE_PROTOCOLS.*xai"):
        load(base_url="http://127.0.0.1:1", protocols="grok")


def test_every_method_of_the_contract_is_served() -> None:
    """The contract has exactly the methods that the server has."""
    services = pb.DESCRIPTOR.services_by_name.values()
    assert {each.full_name for each in services} == set(SERVICES)
    of_contract = {
        f"/{each.full_name}/{name}" for each in services for name in each.methods_by_name
    }
    assert of_contract == {method.path for method in METHODS}


async def test_health_knows_the_services(xai: XaiStubs) -> None:
    """Each service has the server's health."""
    for service in SERVICES:
        response = await health_of(xai.channel).Check(
            health_pb2.HealthCheckRequest(service=service)
        )
        assert response.status == SERVING


async def test_reflection_knows_the_services(xai: XaiStubs) -> None:
    """Reflection lists the services and describes them."""
    make_stub: Any = reflection_pb2_grpc.ServerReflectionStub  # the types know no asyncio
    stream = make_stub(xai.channel).ServerReflectionInfo()
    await stream.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    listed = (await stream.read()).list_services_response.service
    assert set(SERVICES) <= {each.name for each in listed}
    for service in SERVICES:
        request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=service)
        await stream.write(request)
        assert (await stream.read()).file_descriptor_response.file_descriptor_proto
    stream.cancel()


async def test_calls_are_observed(
    collector: Collector, start_app: StartApp, caplog: pytest.LogCaptureFixture
) -> None:
    """A call has the metrics, the spans and the log line of its method."""
    app = await start_app(protocols="xai")
    caplog.set_level(logging.INFO, "tokenwire.call")
    async with xai_stubs(app.address) as stubs:
        chunks = await stubs.stream(asked())
        response = await stubs.chat.GetCompletion(asked())
    lines = [vars(record) for record in caplog.records]
    assert [line["method"] for line in lines] == ["GetCompletionChunk", "GetCompletion"]
    assert [line["request_id"] for line in lines] == [chunks[0].id, response.id]
    exposed = await read(app)
    for method, type_, sent in (
        ("GetCompletionChunk", "server_stream", len(chunks)),
        ("GetCompletion", "unary", 1),
    ):
        labels = {"grpc_type": type_, "grpc_service": "xai_api.Chat", "grpc_method": method}
        assert exposed.value("grpc_server_handled_total", **labels, grpc_code="OK") == 1
        assert exposed.value("grpc_server_msg_sent_total", **labels) == sent
    output = sum(each.usage.completion_tokens for each in (chunks[-1], response))
    assert exposed.total("tokenwire_tokens_total", gen_ai_token_type="output") == output
    spans = await collector.received(2, kind=Span.SPAN_KIND_SERVER)
    assert {span.name for span in spans} == {
        "/xai_api.Chat/GetCompletionChunk",
        "/xai_api.Chat/GetCompletion",
    }
    assert len(await collector.received(2, kind=Span.SPAN_KIND_CLIENT)) == 2


async def test_callers_models_and_records(tmp_path: Path) -> None:
    """A caller sees its models and its name, and each call has a usage record with its cost."""
    path = tmp_path / "usage.jsonl"
    models = {
        "smart": {
            "routes": "one/b",
            "aliases": ["clever"],
            "price": {"input": 1, "output": 2},
            "abilities": ["chat", "images"],
            "context_tokens": 1_000,
        },
        "fast": {"routes": "one/a"},
        "vectors": {"routes": "one/c", "abilities": ["embeddings"]},
    }
    callers = {
        "team": {"keys": [hash_of(KEY)]},
        "batch": {"keys": [hash_of("other")], "models": ["fast"]},
    }
    async with (
        gateway_world(
            tmp_path, models, {"one": {}}, callers=callers, usage_file=path, protocols="xai"
        ) as world,
        xai_stubs(world.app.address) as stubs,
    ):
        listed = (await stubs.models.ListLanguageModels(Empty(), metadata=BEARER)).models
        assert [model.name for model in listed] == ["fast", "smart"]
        smart = pb.LanguageModel(
            name="smart",
            aliases=["clever"],
            input_modalities=[pb.TEXT, pb.IMAGE],
            output_modalities=[pb.TEXT],
            prompt_text_token_price=10_000,
            completion_text_token_price=20_000,
            cached_prompt_token_price=10_000,
            max_prompt_length=1_000,
        )
        assert listed[1] == smart
        get = stubs.models.GetLanguageModel
        for name in ("smart", "clever"):
            assert await get(pb.GetModelRequest(name=name), metadata=BEARER) == smart
        other = (("authorization", "Bearer other"),)
        listed = (await stubs.models.ListLanguageModels(Empty(), metadata=other)).models
        assert [model.name for model in listed] == ["fast"]
        info = await stubs.auth.get_api_key_info(Empty(), metadata=BEARER)
        assert (info.name, info.user_id) == ("team", "team")
        response = await stubs.chat.GetCompletion(asked(model="clever"), metadata=BEARER)
        assert response.model == "smart"
    records = [
        msgspec.json.decode(line, type=UsageRecord) for line in path.read_bytes().splitlines()
    ]
    [record] = [each for each in records if each.method == "GetCompletion"]
    assert (record.caller, record.model) == ("team", "smart")
    assert record.cost_nanodollars
    assert record.cost_nanodollars * 10 == response.usage.cost_in_usd_ticks


@pytest.mark.parametrize("name", ["", "none", "vectors"])
async def test_a_model_that_no_request_may_name(start_app: StartApp, name: str) -> None:
    """GetLanguageModel knows the models that answer messages, and no others."""
    app = await start_app(protocols="xai", models="small", embedding_model="vectors")
    async with xai_stubs(app.address) as stubs:
        error = await error_of(stubs.models.GetLanguageModel(pb.GetModelRequest(name=name)))
        assert (reason_of(error), violated_fields_of(error)) == ("UNKNOWN_MODEL", ["name"])
        listed = (await stubs.models.ListLanguageModels(Empty())).models
        assert [model.name for model in listed] == ["demo-model", "small"]


async def test_any_model_may_be_described_where_any_may_be_named(xai: XaiStubs) -> None:
    """Without a list of models the name is all that is known."""
    model = await xai.models.GetLanguageModel(pb.GetModelRequest(name="any"))
    assert model == pb.LanguageModel(
        name="any", input_modalities=[pb.TEXT], output_modalities=[pb.TEXT]
    )
    assert await xai.auth.get_api_key_info(Empty()) == pb.ApiKey()


async def test_a_model_of_others_is_not_described(tmp_path: Path) -> None:
    """A model that the caller may not use is MODEL_NOT_ALLOWED."""
    models = {"smart": {"routes": "one/b"}, "fast": {"routes": "one/a"}}
    callers = {"team": {"keys": [hash_of(KEY)], "models": ["fast"]}}
    async with (
        gateway_world(tmp_path, models, {"one": {}}, callers=callers, protocols="xai") as world,
        xai_stubs(world.app.address) as stubs,
    ):
        for call in (
            stubs.models.GetLanguageModel(pb.GetModelRequest(name="smart"), metadata=BEARER),
            stubs.chat.GetCompletion(asked(model="smart"), metadata=BEARER),
        ):
            assert reason_of(await error_of(call)) == "MODEL_NOT_ALLOWED"
