"""Envoy in front of servers, with the configuration of the example."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.app import StartApp
from support.helpers import collect, ended, failure_of, next_of, reason_of, text_of
from support.proxied import proxied
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire_demo import DemoUpstream

pytestmark = [pytest.mark.tools, pytest.mark.timeout(120)]

HELLO = pb.Message(content="Hello, grüße, 你好")
OWN_TRAILERS = {"date", "server", "x-envoy-upstream-service-time"}
"""What Envoy adds to a response without a message, whose headers are its trailers."""


async def test_an_answer_arrives_token_by_token(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """Each Answer passes at once, and the whole answer is that of the server itself."""
    async with proxied(start_app, tmp_path) as world:
        expected = text_of(await collect(world.direct.Send(HELLO)))
        upstream.script("tokens 1; barrier first; answer")
        answers = aiter(world.stub.Send(HELLO))
        first = await anext(answers)
        upstream.barrier("first").release()
        assert text_of([first, *await collect(answers)]) == expected
        whole = await world.stub.Ask(HELLO)
        assert whole.content == expected


@pytest.mark.parametrize(
    ("plan", "ending"),
    [
        ("status 429 retry-after=7", ("RESOURCE_EXHAUSTED", "UPSTREAM_RATE_LIMITED")),
        ("tokens 2; reset", ("ABORTED", "UPSTREAM_STREAM_BROKEN")),
    ],
    ids=["before the first token", "after it"],
)
async def test_a_failure_passes_unchanged(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path, plan: str, ending: tuple[str, str]
) -> None:
    """Code, text, details and trailers of a failed call are those of the server."""
    async with proxied(start_app, tmp_path) as world:
        found = []
        for stub in (world.direct, world.stub):
            upstream.script(plan, plan)
            call = stub.Send(HELLO, metadata=(("x-request-id", "mine"),))
            answers, error = await failure_of(call)
            trailers = {
                key: value
                for key, value in error.trailing_metadata() or ()
                if key not in OWN_TRAILERS
            }
            assert (error.code().name, reason_of(error)) == ending
            assert trailers["x-request-id"] == "mine"
            found.append((error.details(), trailers, answers))
        assert found[0] == found[1]


async def test_a_deadline_reaches_the_server(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """The server itself ends a call at the deadline of the caller, and stops the model."""
    async with proxied(start_app, tmp_path) as world:
        upstream.script("tokens 1; stall")
        _, error = await failure_of(world.stub.Send(HELLO, timeout=1))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await world.handled("DEADLINE_EXCEEDED", 1)
        await upstream.wait_until_idle()


async def test_a_cancellation_reaches_the_model(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """A caller that leaves ends the call at the server, and the request to the model."""
    async with proxied(start_app, tmp_path) as world:
        upstream.script("tokens 1; stall")
        call = world.stub.Send(HELLO)
        await next_of(call)
        call.cancel()
        await world.handled("CANCELLED", 1)
        await upstream.wait_until_idle()
        assert upstream.requests[0].outcome == "client gone"


async def test_answers_survive_the_age_of_connections(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """When the server retires a connection, new calls use another one and no call fails."""
    settings = {"connection_age_seconds": 1}
    async with proxied(start_app, tmp_path, settings=settings) as world:
        upstream.script("tokens 1; barrier running; answer")
        running = asyncio.create_task(collect(world.stub.Send(HELLO)))
        await upstream.barrier("running").reached()
        async with asyncio.timeout(20):
            # Health checks have a connection of their own, which is retired too.
            while await world.proxy.count("cluster.tokenwire.upstream_cx_total") < 4:
                assert await collect(world.stub.Send(HELLO))
        upstream.barrier("running").release()
        assert (await running)[-1].finish_reason == pb.FINISH_REASON_STOP


async def test_more_calls_use_more_connections(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """Calls above the limit of one connection are made on others, also if they begin at once."""
    settings = {"max_streams_per_connection": 2}
    async with proxied(
        start_app, tmp_path, settings=settings, http2={"max_concurrent_streams": 2}
    ) as world:
        upstream.script(*["barrier all; answer"] * 5)
        calls = [asyncio.create_task(collect(world.stub.Send(HELLO))) for _ in range(5)]
        await upstream.barrier("all").reached(5)
        upstream.barrier("all").release()
        assert all(await asyncio.gather(*calls))


async def test_without_that_limit_calls_are_reset(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """Without `max_concurrent_streams`, calls that open a connection together can fail."""
    settings = {"max_streams_per_connection": 2}
    async with proxied(
        start_app, tmp_path, settings=settings, http2={"max_concurrent_streams": None}
    ) as world:
        upstream.script(*["barrier all; answer"] * 5)
        calls = [asyncio.create_task(ended(world.stub.Send(HELLO))) for _ in range(5)]
        done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        _, error = done.pop().result()
        assert error
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        upstream.barrier("all").release()
        await asyncio.gather(*calls)


async def test_a_reader_that_stalls_is_seen(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """Envoy buffers little for a caller that does not read, so that the server notices it."""
    settings = {"reader_timeout_seconds": 0.5}
    async with proxied(start_app, tmp_path, settings=settings) as world:
        upstream.script("big-delta 900kB; " * 5 + "stall")
        call = world.stub.Send(HELLO)
        await world.handled("RESOURCE_EXHAUSTED", 1)
        call.cancel()
        await upstream.wait_until_idle()


async def test_a_large_request_passes(start_app: StartApp, tmp_path: Path) -> None:
    """A request that is larger than Envoy's buffers arrives."""
    image = pb.Part(inline=b"x" * 5_000_000, media_type="image/png")
    async with proxied(start_app, tmp_path) as world:
        message = pb.Message(content="What is this?", parts=[image])
        assert text_of(await collect(world.stub.Send(message)))


async def test_only_the_service_is_reached(start_app: StartApp, tmp_path: Path) -> None:
    """Other services of the server, such as health, are not reached through Envoy."""
    async with (
        proxied(start_app, tmp_path) as world,
        grpc.aio.insecure_channel(world.proxy.address) as channel,
    ):
        check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check(b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
