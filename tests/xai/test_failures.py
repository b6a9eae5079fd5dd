"""Failures in xAI's API have the statuses, the details and the metrics of openai.Chatgpt."""

from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.app import StartApp
from support.exposed import read
from support.gateway import gateway_world
from support.helpers import collect, reason_of, retry_delay_of
from support.unary import ending_of, error_of
from support.xai import XaiStubs, asked, pushback_of, read_rest, xai_stubs
from tokenwire.api.xai import service
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


async def test_a_begun_answer_is_aborted(xai: XaiStubs, upstream: DemoUpstream) -> None:
    """After the first chunk a failure is ABORTED, which clients do not retry."""
    upstream.script("tokens 3; reset")
    call: Any = xai.chat.GetCompletionChunk(asked())
    assert (await call.read()).outputs
    error = await error_of(read_rest(call))
    assert (error.code().name, reason_of(error)) == ("ABORTED", "UPSTREAM_STREAM_BROKEN")
    assert upstream.requests_seen == 1


async def both_endings(xai: XaiStubs, upstream: DemoUpstream, plan: str) -> set[Any]:
    """Return how calls of all three methods end whose upstream follows a plan."""
    send = chatgpt_pb2_grpc.ChatgptStub(xai.channel).Send
    found = set()
    for call in (
        lambda: collect(send(chatgpt_pb2.Message(content="hello"))),
        lambda: xai.chat.GetCompletion(asked()),
        lambda: xai.stream(asked()),
    ):
        upstream.script(plan, plan)
        found.add(await ending_of(call()))
        upstream._script.clear()
    return found


TIMEOUTS = {
    "stall": ("UNAVAILABLE", "UPSTREAM_TIMEOUT"),
    "headers; stall": ("UNAVAILABLE", "UPSTREAM_TIMEOUT"),
    "tokens 2; stall": ("ABORTED", "UPSTREAM_IDLE_TIMEOUT"),
}


@pytest.mark.parametrize("plan", TIMEOUTS)
async def test_timeouts(start_app: StartApp, upstream: DemoUpstream, plan: str) -> None:
    """An upstream that is silent ends a call as it ends one of `Send`."""
    app = await start_app(
        protocols="xai", first_token_timeout_seconds=0.2, idle_timeout_seconds=0.2
    )
    async with xai_stubs(app.address) as stubs:
        assert await both_endings(stubs, upstream, plan) == {TIMEOUTS[plan]}


async def test_the_longest_time(start_app: StartApp, upstream: DemoUpstream) -> None:
    """An answer that takes too long is ended, although tokens arrive."""
    app = await start_app(protocols="xai", stream_timeout_seconds=0.3)
    plan = "tokens 2; stall"
    async with xai_stubs(app.address) as stubs:
        endings = await both_endings(stubs, upstream, plan)
    assert endings == {("ABORTED", "STREAM_DURATION_LIMIT")}


async def test_an_upstream_that_is_away(start_app: StartApp, upstream: DemoUpstream) -> None:
    """A refused connection is UPSTREAM_UNREACHABLE."""
    async with DemoUpstream() as gone:
        base_url = gone.base_url
    app = await start_app(protocols="xai", base_url=base_url)
    async with xai_stubs(app.address) as stubs:
        endings = await both_endings(stubs, upstream, "answer")
    assert endings == {("UNAVAILABLE", "UPSTREAM_UNREACHABLE")}


async def test_a_bug(xai: XaiStubs, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in a conversion is INTERNAL, and its text reaches nobody."""

    def fail(*_: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(service, "to_message", fail)
    for call in (xai.chat.GetCompletion(asked()), xai.stream(asked())):
        error = await error_of(call)
        assert (error.code().name, reason_of(error)) == ("INTERNAL", "INTERNAL")
        assert "canary" not in str(error)


async def test_another_route_answers(tmp_path: Path) -> None:
    """A route that fails before the first token is followed by the next one."""
    models = {"m": {"routes": ["one/a", "two/b"]}}
    async with (
        gateway_world(tmp_path, models, {"one": {}, "two": {}}, protocols="xai") as world,
        xai_stubs(world.app.address) as stubs,
    ):
        world.upstreams["one"].script("status 500", "status 500")
        assert (await stubs.chat.GetCompletion(asked())).outputs[0].message.content
        assert (await stubs.stream(asked()))[-1].usage.total_tokens
        assert world.seen() == {"one": 2, "two": 2}
