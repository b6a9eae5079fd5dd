"""Vertex AI's API as a part of the server: its setting, health, reflection, metrics, records."""

import logging
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from support.aiplatform import AiplatformStub, aiplatform_stub
from support.app import StartApp
from support.exposed import read
from support.gateway import gateway_world
from support.health import SERVING, health_of
from support.limits import KEY, bearer, callers
from support.otlp import Collector
from support.unary import error_of
from tokenwire.aiplatform.v1beta1 import prediction_service_pb2 as pb
from tokenwire.api.aiplatform.service import METHODS, SERVICE, SERVICES
from tokenwire.app import App
from tokenwire.observability.usage.record import UsageRecord


async def test_it_is_off_by_default(app: App) -> None:
    """Without the setting, the method does not exist, and there are no series of it."""
    async with aiplatform_stub(app.address) as stub:
        error = await error_of(stub.whole())
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert not (await read(app)).total("grpc_server_handled_total", grpc_service=SERVICE)


def test_every_method_of_the_contract_is_served() -> None:
    """The contract has exactly the methods that the server has."""
    services = pb.DESCRIPTOR.services_by_name.values()
    assert {each.full_name for each in services} == set(SERVICES)
    of_contract = {
        f"/{each.full_name}/{name}" for each in services for name in each.methods_by_name
    }
    assert of_contract == {method.path for method in METHODS}


async def test_health_and_reflection_know_the_service(vertex: AiplatformStub) -> None:
    """The service has the server's health, and reflection describes it and the body's type."""
    response = await health_of(vertex.channel).Check(health_pb2.HealthCheckRequest(service=SERVICE))
    assert response.status == SERVING
    make_stub: Any = reflection_pb2_grpc.ServerReflectionStub  # the types know no asyncio
    stream = make_stub(vertex.channel).ServerReflectionInfo()
    for symbol in (SERVICE, "google.api.HttpBody"):
        request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
        await stream.write(request)
        assert (await stream.read()).file_descriptor_response.file_descriptor_proto
    stream.cancel()


async def test_calls_are_observed(
    collector: Collector, start_app: StartApp, caplog: pytest.LogCaptureFixture
) -> None:
    """Calls of both forms have the metrics, the spans and the log line of the method."""
    app = await start_app(protocols="aiplatform")
    caplog.set_level(logging.INFO, "tokenwire.call")
    async with aiplatform_stub(app.address) as stub:
        chunks = await stub.chunks(stream_options={"include_usage": True})
        whole = await stub.whole()
    lines = [vars(record) for record in caplog.records]
    assert [line["method"] for line in lines] == ["ChatCompletions"] * 2
    assert [line["request_id"] for line in lines] == [chunks[0]["id"], whole["id"]]
    exposed = await read(app)
    labels = {"grpc_service": SERVICE, "grpc_method": "ChatCompletions"}
    labels["grpc_type"] = "server_stream"
    assert exposed.value("grpc_server_handled_total", **labels, grpc_code="OK") == 2
    assert exposed.value("grpc_server_msg_sent_total", **labels) == len(chunks) + 1
    output = sum(each["usage"]["completion_tokens"] for each in (chunks[-1], whole))
    assert exposed.total("tokenwire_tokens_total", gen_ai_token_type="output") == output
    spans = await collector.received(2, kind=Span.SPAN_KIND_SERVER)
    assert {span.name for span in spans} == {METHODS[0].path}
    assert len(await collector.received(2, kind=Span.SPAN_KIND_CLIENT)) == 2


async def test_usage_records(tmp_path: Path) -> None:
    """Each call has a usage record with its caller, its model and its cost."""
    path = tmp_path / "usage.jsonl"
    models = {
        "smart": {"routes": "one/b", "aliases": ["clever"], "price": {"input": 1, "output": 2}}
    }
    async with (
        gateway_world(
            tmp_path,
            models,
            {"one": {}},
            callers=callers(),
            usage_file=path,
            protocols="aiplatform",
        ) as world,
        aiplatform_stub(world.app.address) as stub,
    ):
        options = {"metadata": bearer(KEY)}
        for ask in (stub.whole, stub.chunks):
            assert await ask(model="clever", options=options)
    records = [
        msgspec.json.decode(line, type=UsageRecord) for line in path.read_bytes().splitlines()
    ]
    for record in records:
        assert (record.caller, record.model) == ("team", "smart")
        assert record.method == "ChatCompletions"
        assert record.cost_nanodollars
    assert len(records) == 2
