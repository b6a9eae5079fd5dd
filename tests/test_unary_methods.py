"""What holds for every unary method: the limits, failures and endings of `Send`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from support.app import StartApp, Stub
from support.exposed import read
from support.methods import ALL, ASKING, EMBED, ESTIMATE, JSON, UnaryMethod, each_of
from support.raw_upstream import Reset
from support.unary import ending_of, error_of, json_response, raw_server
from tokenwire.app import App
from tokenwire.routing.budget import RETRY_COST
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

HELLO = pb.Message(content="hello")
EVERY = (*ALL, ESTIMATE)


@asynccontextmanager
async def stub_of(app: App) -> AsyncIterator[Stub]:
    """Connect to a server."""
    async with grpc.aio.insecure_channel(app.address) as channel:
        yield chatgpt_pb2_grpc.ChatgptStub(channel)


@each_of(EVERY)
async def test_a_call_needs_a_slot(
    method: UnaryMethod, start_app: StartApp, upstream: DemoUpstream
) -> None:
    """A call is rejected while another one occupies the only slot, and asks nothing upstream."""
    app = await start_app(max_streams=1, max_queue=0, **method.settings)
    upstream.script("stall")
    async with stub_of(app) as stub:
        running = stub.Send(HELLO)
        await upstream.wait_for_requests(1)
        ending = await ending_of(method.call(stub))
        running.cancel()
    assert ending == ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED")
    assert upstream.requests_seen == 1


@each_of(ASKING)
async def test_a_running_call_holds_its_slot(
    method: UnaryMethod, start_app: StartApp, upstream: DemoUpstream
) -> None:
    """A stream has no slot while a call runs, and gets it as soon as the call is cancelled."""
    app = await start_app(max_streams=1, max_queue=0, **method.settings)
    upstream.script("stall", "answer")
    async with stub_of(app) as stub:
        running = method.call(stub)
        await upstream.wait_for_requests(1)
        assert await ending_of(stub.Ask(HELLO)) == ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED")
        running.cancel()
        await upstream.wait_until_idle()
        assert (await stub.Ask(HELLO)).content


PLANS = (
    *("status 400 code=context_length_exceeded", "status 413", "status 400 message=policy"),
    *("status 422", "redirect http://127.0.0.1:1/", "status 401", "status 403", "status 404"),
    *("status 408", "status 504", "status 409", "status 429 retry-after=7", "status 402"),
    *("status 500", "status 503", "status 529", "status 502 body=html", "garbage", "reset"),
    "status 429 code=insufficient_quota",
)


@each_of(ASKING)
async def test_failures_are_those_of_a_stream(
    method: UnaryMethod, start_app: StartApp, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """Each failure before an answer begins has the code and the reason that `Send` has."""
    app = await start_app(**method.settings)
    async with stub_of(app) as stub:
        for plan in PLANS:
            with subtests.test(plan=plan):
                endings = []
                for start in (lambda: _read(stub.Send(HELLO)), lambda: method.call(stub)):
                    # Twice, for a retry.
                    upstream.script(plan, plan)
                    endings.append(await ending_of(start()))
                    upstream._script.clear()
                assert endings[0] == endings[1]


async def _read(call: "grpc.aio.UnaryStreamCall[Any, Any]") -> None:
    async for _ in call:
        pass


@each_of(ASKING)
async def test_an_upstream_that_is_away(method: UnaryMethod, start_app: StartApp) -> None:
    """A refused connection is UPSTREAM_UNREACHABLE."""
    async with DemoUpstream() as gone:
        base_url = gone.base_url
    app = await start_app(base_url=base_url, **method.settings)
    async with stub_of(app) as stub:
        assert await ending_of(method.call(stub)) == ("UNAVAILABLE", "UPSTREAM_UNREACHABLE")


@each_of(ASKING)
async def test_an_upstream_that_is_silent(
    method: UnaryMethod, start_app: StartApp, upstream: DemoUpstream
) -> None:
    """No byte within the timeout is UPSTREAM_TIMEOUT, and the connection is closed."""
    app = await start_app(first_token_timeout_seconds=0.5, **method.settings)
    upstream.script("stall")
    async with stub_of(app) as stub:
        assert await ending_of(method.call(stub)) == ("UNAVAILABLE", "UPSTREAM_TIMEOUT")
    await upstream.wait_until_disconnected()


@each_of(ASKING)
async def test_the_budget_pays_for_a_retry(
    method: UnaryMethod, start_app: StartApp, upstream: DemoUpstream
) -> None:
    """A request is repeated once within the budget that all methods share."""
    app = await start_app(**method.settings)
    async with stub_of(app) as stub:
        for _ in range(RETRY_COST - 1):
            await stub.Ask(HELLO)
        upstream.script("status 500", "answer", "status 500")
        assert await method.call(stub)
        assert await ending_of(method.call(stub)) == ("UNAVAILABLE", "UPSTREAM_ERROR")
    assert upstream.requests_seen == RETRY_COST + 2


@each_of(JSON)
async def test_no_retry_once_the_response_has_begun(method: UnaryMethod) -> None:
    """A response that breaks has been paid for, and is not asked for again."""
    async with raw_server(**method.settings) as server:
        server.save_up()
        server.play(json_response(b"{", Reset()))
        assert await ending_of(method.call(server.stub)) == ("ABORTED", "UPSTREAM_STREAM_BROKEN")
        assert server.upstream.requests == 1


@each_of(JSON)
async def test_an_error_in_a_response_is_retried(method: UnaryMethod) -> None:
    """An error object in a 200 counts as no response, so the request is repeated."""
    async with raw_server(**method.settings) as server:
        server.save_up()
        server.play(json_response(b'{"error":{"message":"x","code":500}}'))
        assert await ending_of(method.call(server.stub)) == ("UNAVAILABLE", "UPSTREAM_ERROR")
        assert server.upstream.requests == 2


@each_of(ASKING)
async def test_a_caller_who_leaves_ends_the_request(
    method: UnaryMethod, start_app: StartApp, upstream: DemoUpstream
) -> None:
    """Cancellation and deadline close the upstream's connection, and are counted as such."""
    app = await start_app(**method.settings)
    upstream.script("stall", "stall")
    async with stub_of(app) as stub:
        call = method.call(stub)
        await upstream.wait_for_requests(1)
        call.cancel()
        await upstream.wait_until_disconnected()
        error = await error_of(method.call(stub, timeout=0.3))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await upstream.wait_until_disconnected()
    exposed = await read(app)
    labels = {"grpc_service": "openai.Chatgpt", "grpc_method": method.name, "grpc_type": "unary"}
    for code in ("CANCELLED", "DEADLINE_EXCEEDED"):
        assert exposed.value("grpc_server_handled_total", **labels, grpc_code=code) == 1
    assert exposed.total("tokenwire_calls_total", outcome="cancelled") == 1
    assert exposed.total("tokenwire_calls_total", outcome="deadline") == 1


@each_of(ASKING)
async def test_a_running_call_completes_during_the_drain(
    method: UnaryMethod, start_app: StartApp, upstream: DemoUpstream
) -> None:
    """A drain waits for a call that is running."""
    app = await start_app(**method.settings)
    upstream.script("barrier going; answer")
    async with stub_of(app) as stub:
        call = method.call(stub)
        await upstream.barrier("going").reached()
        draining = asyncio.create_task(app.drain())
        upstream.barrier("going").release()
        assert await call
        await draining


@each_of(EVERY)
async def test_a_request_that_is_too_large(method: UnaryMethod, start_app: StartApp) -> None:
    """A message above the limit is RESOURCE_EXHAUSTED by gRPC itself."""
    app = await start_app(max_request_bytes=1_024, max_text_bytes=1_024, **method.settings)
    async with grpc.aio.insecure_channel(app.address) as channel:
        error = await error_of(_raw(channel, method.name)(b"\x0a\x80\x10" + b"x" * 2_048))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@each_of(EVERY)
async def test_bytes_that_are_no_request(
    method: UnaryMethod, channel: grpc.aio.Channel, upstream: DemoUpstream
) -> None:
    """Bytes that cannot be parsed are MALFORMED_REQUEST, and nothing is asked upstream."""
    ending = await ending_of(_raw(channel, method.name)(b"\x12\xff"))
    assert ending == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")
    assert upstream.requests_seen == 0


def _raw(channel: grpc.aio.Channel, name: str) -> Callable[[bytes], Awaitable[bytes]]:
    """Return a method that takes and returns bytes."""
    call: Any = channel.unary_unary(f"/openai.Chatgpt/{name}")
    found: Callable[[bytes], Awaitable[bytes]] = call
    return found


@each_of(EVERY)
async def test_the_log_line_has_the_method(
    method: UnaryMethod, start_app: StartApp, caplog: pytest.LogCaptureFixture
) -> None:
    """Each call has one line with its method and its code."""
    app = await start_app(**method.settings)
    caplog.set_level("INFO", "tokenwire.call")
    async with stub_of(app) as stub:
        await method.call(stub)
    [record] = caplog.records
    assert (vars(record)["method"], vars(record)["code"]) == (method.name, "OK")


async def test_a_hundred_texts(start_app: StartApp, upstream: DemoUpstream) -> None:
    """100 texts are one request, and each vector is the one of its own text."""
    app = await start_app(**EMBED.settings)
    texts = [f"text {n}" for n in range(100)]
    async with stub_of(app) as stub:
        response = await stub.Embed(pb.EmbedRequest(texts=texts))
        first = await stub.Embed(pb.EmbedRequest(texts=texts[40:41]))
    assert len(response.vectors) == 100
    assert response.vectors[40] == first.vectors[0]
    assert len({tuple(each.values) for each in response.vectors}) == 100
    assert upstream.requests_seen == 2
