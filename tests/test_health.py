"""The health service grpc.health.v1, which orchestrators use."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from support.app import MODEL, StartApp
from support.health import NOT_SERVING, SERVING, health_of
from support.waiting import within
from tokenwire import config
from tokenwire.app import App
from tokenwire.server import health
from tokenwire_demo import DemoUpstream

messages: Any = health_pb2
"""For the messages that the published types lack."""


@pytest.mark.parametrize("service", ["", "openai.Chatgpt"])
async def test_a_running_server_is_serving(channel: grpc.aio.Channel, service: str) -> None:
    """Once the server runs, the process and the service are SERVING."""
    request = health_pb2.HealthCheckRequest(service=service)
    assert (await health_of(channel).Check(request)).status == SERVING


async def test_an_unknown_service_is_not_found(channel: grpc.aio.Channel) -> None:
    """An unknown service is NOT_FOUND."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health_of(channel).Check(health_pb2.HealthCheckRequest(service="no.Such"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_draining_server_says_so_first_and_still_answers(upstream: DemoUpstream) -> None:
    """A watch sees NOT_SERVING immediately, and the drain does not wait for the idle watch."""
    loaded = config.load(
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
        # The grace period is an hour, so this returns only if the drain ends the watch.
        await draining
        assert await watch.code() is grpc.StatusCode.OK


async def test_all_services_are_listed(channel: grpc.aio.Channel) -> None:
    """List returns the health of the process and of the service."""
    request = messages.HealthListRequest()
    statuses = (await health_of(channel).List(request)).statuses
    assert {name: each.status for name, each in statuses.items()} == {
        "": SERVING,
        "openai.Chatgpt": SERVING,
    }


async def test_watches_are_bounded(monkeypatch: pytest.MonkeyPatch, start_app: StartApp) -> None:
    """A Watch over the limit is rejected at once; Check still works; a closed one frees a slot."""
    monkeypatch.setattr(health, "MAX_WATCHES", 2)
    app = await start_app()
    request = health_pb2.HealthCheckRequest()
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = health_of(channel)
        held = [stub.Watch(request), stub.Watch(request)]
        for watch in held:
            assert (await watch.read()).status == SERVING
        assert watches(app) == 2
        assert await stub.Watch(request).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await stub.Check(request)).status == SERVING
        held.pop().cancel()
        await within(10, "one has left", lambda: watches(app) == 1)
        held.append(stub.Watch(request))
        assert (await held[-1].read()).status == SERVING
        for watch in held:
            watch.cancel()
        await within(10, "all have left", lambda: watches(app) == 0)


@pytest.mark.parametrize("method", ["Check", "Watch"])
async def test_a_large_request_is_refused(channel: grpc.aio.Channel, app: App, method: str) -> None:
    """A request larger than any service name is rejected, and no Watch keeps it in memory."""
    request = health_pb2.HealthCheckRequest(service="x" * 1_024)
    call = getattr(health_of(channel), method)(request)
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert watches(app) == 0


def watches(app: App) -> float | None:
    return app.metrics.registry.get_sample_value("tokenwire_health_watches")
