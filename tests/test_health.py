"""grpc.health.v1: what orchestrators see."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from conftest import MODEL
from tokenwire import settings
from tokenwire.app import App
from tokenwire.demo import DemoUpstream

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def health_of(channel: grpc.aio.Channel) -> Any:
    """Return the health stub, whose methods the type stubs do not know."""
    return health_pb2_grpc.HealthStub(channel)


@pytest.mark.parametrize("service", ["", "openai.Chatgpt"])
async def test_a_running_server_is_serving(channel: grpc.aio.Channel, service: str) -> None:
    """The process and the service are SERVING once the server is up."""
    request = health_pb2.HealthCheckRequest(service=service)
    assert (await health_of(channel).Check(request)).status == SERVING


async def test_an_unknown_service_is_not_found(channel: grpc.aio.Channel) -> None:
    """A name that this server does not offer is NOT_FOUND."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health_of(channel).Check(health_pb2.HealthCheckRequest(service="no.Such"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_draining_server_says_so_first_and_still_answers(upstream: DemoUpstream) -> None:
    """A watch sees NOT_SERVING at once, and the drain does not wait for the idle watch."""
    loaded = settings.load(
        base_url=upstream.base_url,
        model=MODEL,
        listen="127.0.0.1:0",
        metrics_listen="127.0.0.1:0",
        drain_seconds=0,
        grace_seconds=3_600,
    )
    async with App(loaded) as app, grpc.aio.insecure_channel(app.address) as channel:
        watch = health_of(channel).Watch(health_pb2.HealthCheckRequest(service="openai.Chatgpt"))
        assert (await watch.read()).status == SERVING
        draining = asyncio.create_task(app.drain())
        assert (await watch.read()).status == NOT_SERVING
        # The grace is an hour: this ends only because the drain ends the watch.
        await draining
        assert await watch.code() is grpc.StatusCode.OK
