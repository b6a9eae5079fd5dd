"""Callers of xAI's API: slots, keys, limits, and what happens when they or the server leave."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty

from support.app import StartApp
from support.gateway import HELLO, gateway_world
from support.helpers import collect, reason_of, retry_delay_of
from support.limits import KEY, bearer, callers
from support.unary import ending_of, error_of
from support.xai import XaiStubs, asked, pushback_of, read_rest, xai_stubs
from tokenwire.api.xai.service import METHODS
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream


async def test_a_shutdown_may_be_retried_elsewhere(xai_app: App, xai: XaiStubs) -> None:
    """A call that a stopping server rejects has no trailer against a retry."""
    xai_app._outcome.end_all()
    error = await error_of(xai.chat.GetCompletion(asked()))
    assert reason_of(error) == "SERVER_SHUTTING_DOWN"
    assert pushback_of(error) is None


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
        error = await error_of(read_rest(running))
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


@pytest.mark.parametrize("path", [method.path for method in METHODS])
async def test_a_call_without_a_message(xai: XaiStubs, path: str) -> None:
    """A call that ends before its message is MALFORMED_REQUEST in every method."""
    call: Any = xai.channel.stream_unary(path)
    assert await ending_of(call(iter(()))) == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")


LIMITS: dict[str, tuple[dict[str, Any], str]] = {
    "requests": ({"requests": "1/m"}, "CALLER_RATE_LIMITED"),
    "streams": ({"streams": 1}, "CALLER_TOO_MANY_STREAMS"),
}


@pytest.mark.parametrize("limit", LIMITS)
async def test_limits_of_callers(tmp_path: Path, limit: str) -> None:
    """Both protocols share the limits of a caller, and the error says when to retry."""
    limits, reason = LIMITS[limit]
    models = {"m": {"routes": "one/a"}}
    async with (
        gateway_world(
            tmp_path, models, {"one": {}}, callers=callers(**limits), protocols="xai"
        ) as world,
        xai_stubs(world.app.address) as stubs,
    ):
        upstream = world.upstreams["one"]
        upstream.script("stall")
        running = world.stub.Send(HELLO, metadata=bearer(KEY))
        await upstream.wait_for_requests(1)
        for call in (
            stubs.chat.GetCompletion(asked(), metadata=bearer(KEY)),
            stubs.stream(asked(), metadata=bearer(KEY)),
        ):
            error = await error_of(call)
            assert (error.code().name, reason_of(error)) == ("RESOURCE_EXHAUSTED", reason)
            assert retry_delay_of(error)
            assert pushback_of(error) == str(round((retry_delay_of(error) or 0) * 1_000))
        running.cancel()
        await upstream.wait_until_idle()
        assert upstream.requests_seen == 1
