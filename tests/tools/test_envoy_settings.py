"""What Envoy does with other settings than those of the example: docs/proxies.md says so."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.app import StartApp, Stub
from support.envoy import Parts, envoy
from support.helpers import collect, failure_of, reason_of
from support.proxied import proxied
from test_load_balancing_doc import calls_of
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

pytestmark = [pytest.mark.tools, pytest.mark.timeout(120)]

HELLO = pb.Message(content="hello")
SOON = "0.3s"
DEADLINE = "DEADLINE_EXCEEDED"
EITHER = {DEADLINE, "INTERNAL"}
"""Envoy passes these limits on as the deadline, so the server may be the first to end the call."""
RETRIES = {"retry_on": "unavailable,resource-exhausted", "num_retries": 2}


@pytest.mark.parametrize(
    ("changes", "before", "after"),
    [
        ({"route": {"timeout": SOON}}, "UNAVAILABLE", {"INTERNAL"}),
        ({"manager": {"stream_idle_timeout": SOON}}, "UNAVAILABLE", {"INTERNAL"}),
        ({"route": {"max_stream_duration": {"max_stream_duration": SOON}}}, DEADLINE, EITHER),
        ({"route": {"max_stream_duration": {"grpc_timeout_header_max": SOON}}}, DEADLINE, EITHER),
    ],
    ids=["timeout", "stream_idle_timeout", "max_stream_duration", "grpc_timeout_header_max"],
)
async def test_a_time_limit_of_envoy_ends_answers(  # noqa: PLR0913, PLR0917 - a limit by its effects
    start_app: StartApp,
    upstream: DemoUpstream,
    tmp_path: Path,
    changes: dict[str, dict[str, Any]],
    before: str,
    after: set[str],
) -> None:
    """It ends a call without details, with a code that depends on whether there was a token."""
    async with proxied(start_app, tmp_path, **changes) as world:
        found = []
        for plan in ("stall", "tokens 1; stall"):
            upstream.script(plan)
            _, error = await failure_of(world.stub.Send(HELLO, timeout=60))
            assert "grpc-status-details-bin" not in dict(error.trailing_metadata() or ())
            found.append(error.code().name)
        assert found[0] == before
        assert found[1] in after
        await upstream.wait_until_idle()


@pytest.mark.parametrize("status", [503, 429])
async def test_retries_by_status_do_not_wait(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path, status: int
) -> None:
    """With `retry_on` by status, Envoy repeats a call at once, whatever time the server names."""
    async with proxied(start_app, tmp_path, route={"retry_policy": RETRIES}) as world:
        upstream.script(*[f"status {status} retry-after=50"] * 9)
        _, error = await failure_of(world.stub.Send(HELLO, timeout=20))
        trailers = dict(error.trailing_metadata() or ())
        assert trailers["grpc-retry-pushback-ms"] == "50000"
        assert await world.proxy.count("cluster.tokenwire.upstream_rq_retry") == 2
        assert upstream.requests_seen == 3


async def test_no_retry_after_the_first_token(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """A call that fails after its first token is not repeated, with `retry_on` by status either."""
    async with proxied(start_app, tmp_path, route={"retry_policy": RETRIES}) as world:
        upstream.script("tokens 1; reset")
        answers, error = await failure_of(world.stub.Send(HELLO))
        assert answers[0].content
        assert error.code() is grpc.StatusCode.ABORTED
        assert upstream.requests_seen == 1


async def test_no_retry_of_a_large_request(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """A call whose request is larger than Envoy's buffer is not repeated."""
    image = pb.Part(inline=b"x" * 3_000_000, media_type="image/png")
    async with proxied(start_app, tmp_path, route={"retry_policy": RETRIES}) as world:
        upstream.script("status 503", "status 503")
        message = pb.Message(content="What is this?", parts=[image])
        _, error = await failure_of(world.stub.Send(message))
        assert reason_of(error) == "UPSTREAM_ERROR"
        assert await world.proxy.count("cluster.tokenwire.retry_or_shadow_abandoned") == 1


async def test_a_failure_of_the_upstream_is_not_repeated(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """With the example's `retry_on`, a call that reached the server is made once."""
    async with proxied(start_app, tmp_path) as world:
        upstream.script(*["status 503 retry-after=50"] * 9)
        await failure_of(world.stub.Send(HELLO))
        assert upstream.requests_seen == 1


async def test_a_server_that_is_away_is_passed_over(start_app: StartApp, tmp_path: Path) -> None:
    """With the example's `retry_on`, a connection that is refused costs no call."""
    app = await start_app()
    async with (
        envoy(tmp_path, app.address, "127.0.0.1:1", cluster={"health_checks": []}) as proxy,
        grpc.aio.insecure_channel(proxy.address) as channel,
    ):
        stub: Stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        for _ in range(8):
            await collect(stub.Send(HELLO))
        assert await proxy.count("cluster.tokenwire.upstream_rq_retry")


async def test_a_circuit_breaker_rejects(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """A call above `max_requests` is UNAVAILABLE without details, and reaches no server."""
    async with proxied(start_app, tmp_path, thresholds={"max_requests": 1}) as world:
        upstream.script("barrier held; answer")
        held = asyncio.create_task(collect(world.stub.Send(HELLO)))
        await upstream.barrier("held").reached()
        _, error = await failure_of(world.stub.Send(HELLO))
        trailers = dict(error.trailing_metadata() or ())
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert trailers["x-envoy-overloaded"] == "true"
        assert "grpc-status-details-bin" not in trailers
        upstream.barrier("held").release()
        assert await held


async def test_pings_that_are_too_frequent_end_the_connection(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """Pings more often than each 10 s end the connection with its calls; the example's do not."""
    keepalive = {"connection_keepalive": {"interval": "0.2s", "timeout": "5s"}}
    async with proxied(start_app, tmp_path, http2=keepalive) as world:
        upstream.script("tokens 1; stall")
        _, error = await failure_of(world.stub.Send(HELLO))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert Parts().http2["connection_keepalive"]["interval"] == "30s"


async def test_a_server_that_stops_gets_no_more_calls(start_app: StartApp, tmp_path: Path) -> None:
    """A server that drains is out at the next health check, whatever `unhealthy_threshold` is."""
    stopping = await start_app(drain_seconds=60)
    other = await start_app()
    health = {"interval": "0.1s", "no_traffic_interval": "0.1s", "unhealthy_threshold": 1000}
    async with (
        envoy(tmp_path, stopping.address, other.address, health=health) as proxy,
        grpc.aio.insecure_channel(proxy.address) as channel,
    ):
        stub: Stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        await proxy.reaches("cluster.tokenwire.membership_healthy", 2)
        drain = asyncio.create_task(stopping.drain())
        async with asyncio.timeout(20):
            # Envoy collects changes of health for a second.
            while await calls_reach(stopping, stub):
                pass
        drain.cancel()
        await asyncio.gather(drain, return_exceptions=True)


async def calls_reach(app: App, stub: Stub) -> bool:
    """Make twenty calls, and return whether one of them has reached a server."""
    before = calls_of(app)
    for _ in range(20):
        await collect(stub.Send(HELLO))
    return calls_of(app) > before
