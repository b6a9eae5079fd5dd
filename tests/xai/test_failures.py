"""Failures in xAI's API have the statuses, the details and the metrics of openai.Chatgpt."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty

from support.app import StartApp
from support.exposed import read
from support.gateway import HELLO, gateway_world
from support.helpers import collect, reason_of, retry_delay_of
from support.limits import KEY, bearer, callers
from support.unary import ending_of, error_of
from support.xai import XaiStubs, asked, xai_stubs
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2, chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

PLANS = (
    *("status 400 code=context_length_exceeded", "status 413", "status 400 message=policy"),
    *("status 422", "redirect http://127.0.0.1:1/", "status 401", "status 403", "status 404"),
    *("status 408", "status 504", "status 409", "status 429 retry-after=7", "status 402"),
    *("status 500", "status 503", "status 529", "status 502 body=html", "garbage", "reset"),
    *("status 429 code=insufficient_quota", "status 503 retry-after=3"),
    *("tokens 3; reset", "tokens 3; eof", "tokens 3; finish content_filter; done"),
    *("tokens 3; bad-json; done", 'tool-call a "{"; finish; done'),
)


def pushback_of(error: grpc.aio.AioRpcError) -> str | None:
    """Return what gRPC's retry policy is told."""
    trailers: dict[str, Any] = dict(error.trailing_metadata() or ())
    return trailers.get("grpc-retry-pushback-ms")


async def test_failures_are_those_of_the_other_protocol(
    xai_app: App, xai: XaiStubs, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """Each failure has the code, the reason and the wait of `Send`, and metrics by method."""
    send = chatgpt_pb2_grpc.ChatgptStub(xai.channel).Send
    codes: Counter[str] = Counter()
    for plan in PLANS:
        with subtests.test(plan=plan):
            found = []
            for call in (
                lambda: collect(send(chatgpt_pb2.Message(content="hello"))),
                lambda: xai.chat.GetCompletion(asked()),
                lambda: xai.stream(asked()),
            ):
                # Twice, for a retry.
                upstream.script(plan, plan)
                error = await error_of(call())
                upstream._script.clear()
                found.append((error.code().name, reason_of(error), retry_delay_of(error)))
            assert found[0] == found[1] == found[2]
            codes[found[0][0]] += 1
    exposed = await read(xai_app)
    for method in ("GetCompletion", "GetCompletionChunk"):
        labels = {"grpc_service": "xai_api.Chat", "grpc_method": method}
        assert codes == {
            code: exposed.total("grpc_server_handled_total", **labels, grpc_code=code)
            for code in codes
        }


PUSHBACKS = {
    "status 500": ("UPSTREAM_ERROR", "-1"),
    "reset": ("UPSTREAM_UNREACHABLE", "-1"),
    "status 503 retry-after=3": ("UPSTREAM_ERROR", "3000"),
}


@pytest.mark.parametrize("plan", PUSHBACKS)
async def test_unavailable_says_when_to_retry(
    xai: XaiStubs, upstream: DemoUpstream, plan: str
) -> None:
    """Clients that retry UNAVAILABLE are told when, or not to; `Send` keeps its trailers."""
    send = chatgpt_pb2_grpc.ChatgptStub(xai.channel).Send
    reason, pushback = PUSHBACKS[plan]
    upstream.script(*[plan] * 6)
    for call in (xai.chat.GetCompletion(asked()), xai.stream(asked())):
        error = await error_of(call)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert pushback_of(error) == pushback
    error = await error_of(collect(send(chatgpt_pb2.Message(content="hello"))))
    assert pushback_of(error) == (None if pushback == "-1" else pushback)
    assert reason


async def test_a_shutdown_may_be_retried_elsewhere(xai_app: App, xai: XaiStubs) -> None:
    """A call that a stopping server rejects has no trailer against a retry."""
    xai_app._outcome.end_all()
    error = await error_of(xai.chat.GetCompletion(asked()))
    assert reason_of(error) == "SERVER_SHUTTING_DOWN"
    assert pushback_of(error) is None


async def test_a_begun_answer_is_aborted(xai: XaiStubs, upstream: DemoUpstream) -> None:
    """After the first chunk a failure is ABORTED, which clients do not retry."""
    upstream.script("tokens 3; reset")
    call: Any = xai.chat.GetCompletionChunk(asked())
    assert (await call.read()).outputs
    error = await error_of(_rest(call))
    assert (error.code().name, reason_of(error)) == ("ABORTED", "UPSTREAM_STREAM_BROKEN")
    assert upstream.requests_seen == 1


async def _rest(call: Any) -> None:
    while (chunk := await call.read()) is not grpc.aio.EOF:
        # A failed answer has neither a finish reason nor a usage.
        assert not chunk.HasField("usage")


async def test_a_call_needs_a_slot(start_app: StartApp, upstream: DemoUpstream) -> None:
    """Both protocols share the slots."""
    app = await start_app(protocols="xai", max_streams=1, max_queue=0)
    upstream.script("stall")
    async with xai_stubs(app.address) as stubs:
        running = stubs.chat.GetCompletionChunk(asked())
        await upstream.wait_for_requests(1)
        full = ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED")
        send = chatgpt_pb2_grpc.ChatgptStub(stubs.channel).Send
        assert await ending_of(collect(send(HELLO))) == full
        assert await ending_of(stubs.chat.GetCompletion(asked())) == full
        running.cancel()
    await upstream.wait_until_idle()


async def test_a_caller_who_leaves_ends_the_request(xai: XaiStubs, upstream: DemoUpstream) -> None:
    """Cancellation and deadline close the upstream's connection."""
    upstream.script("tokens 2; stall", "stall")
    call: Any = xai.chat.GetCompletionChunk(asked())
    assert (await call.read()).outputs
    call.cancel()
    await upstream.wait_until_disconnected()
    error = await error_of(xai.chat.GetCompletion(asked(), timeout=0.3))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await upstream.wait_until_disconnected()


async def test_keys_and_budgets(tmp_path: Path) -> None:
    """A wrong key is refused, and a budget that is used up cuts the answer and says so."""
    models = {"m": {"routes": "one/a", "price": {"input": 1, "output": 2000}}}
    async with (
        gateway_world(
            tmp_path, models, {"one": {}}, callers=callers(dollars="2/d"), protocols="xai"
        ) as world,
        xai_stubs(world.app.address) as stubs,
    ):
        for metadata, reason in (
            ((), "CREDENTIALS_MISSING"),
            (bearer("wrong"), "CREDENTIALS_INVALID"),
        ):
            for call in (
                stubs.chat.GetCompletion(asked(), metadata=metadata),
                stubs.stream(asked(), metadata=metadata),
                stubs.auth.get_api_key_info(Empty(), metadata=metadata),
                stubs.models.ListLanguageModels(Empty(), metadata=metadata),
            ):
                assert await ending_of(call) == ("UNAUTHENTICATED", reason)
        world.upstreams["one"].script('filler 100000 "word "; finish; done')
        running: Any = stubs.chat.GetCompletionChunk(asked(), metadata=bearer(KEY))
        assert (await running.read()).outputs
        error = await error_of(_rest(running))
        assert reason_of(error) == "CALLER_BUDGET_EXHAUSTED"
        assert pushback_of(error) == "-1"
        error = await error_of(stubs.chat.GetCompletion(asked(), metadata=bearer(KEY)))
        assert reason_of(error) == "CALLER_BUDGET_EXHAUSTED"


async def test_the_end_reaches_a_caller_during_a_shutdown(
    xai_app: App, xai: XaiStubs, upstream: DemoUpstream
) -> None:
    """An answer that runs while the server drains has its finish reason and its usage."""
    upstream.script("barrier going; answer")
    call = asyncio.create_task(xai.stream(asked()))
    await upstream.barrier("going").reached()
    draining = asyncio.create_task(xai_app.drain())
    upstream.barrier("going").release()
    *_, finish, last = await call
    assert finish.outputs[0].finish_reason
    assert last.usage.total_tokens
    await draining
