"""Failures of requests in OpenAI's JSON have the statuses and details of openai.Chatgpt."""

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.aiplatform import AiplatformStub, aiplatform_stub, decoded, with_body
from support.app import StartApp
from support.exposed import read
from support.gateway import gateway_world
from support.helpers import collect, reason_of, retry_delay_of, violated_fields_of
from support.quirks import response
from support.raw_upstream import raw_upstream
from support.unary import ending_of, error_of
from tokenwire.api.aiplatform import service
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
    *("tokens 3; bad-json; done", 'tool-call a "{"; finish; done', "done", "non-object; done"),
    *("tokens 3; error", "error", "tokens 3; finish error; done", "finish abort; done"),
    *("tokens 3; big-delta 2000000; done", "headers; eof"),
)


def waited(error: grpc.aio.AioRpcError) -> tuple[Any, ...]:
    """Return the parts of a failure that a client acts on."""
    trailers = dict(error.trailing_metadata() or ())
    pushback = trailers.get("grpc-retry-pushback-ms")
    return error.code().name, reason_of(error), retry_delay_of(error), pushback


def all_forms(stub: AiplatformStub) -> tuple[Callable[[], Awaitable[Any]], ...]:
    """Return functions that call `Send` and both forms of a completion."""
    send = chatgpt_pb2_grpc.ChatgptStub(stub.channel).Send
    return lambda: collect(send(chatgpt_pb2.Message(content="hello"))), stub.whole, stub.chunks


async def test_failures_are_those_of_the_other_protocol(
    aiplatform_app: App,
    vertex: AiplatformStub,
    upstream: DemoUpstream,
    subtests: pytest.Subtests,
) -> None:
    """Each failure has the code, the reason and the waits of `Send`, and metrics by method."""
    codes: Counter[str] = Counter()
    for plan in PLANS:
        with subtests.test(plan=plan):
            found = []
            for call in all_forms(vertex):
                # Twice, for a retry.
                upstream.script(plan, plan)
                found.append(waited(await error_of(call())))
                upstream._script.clear()
            assert found[0] == found[1] == found[2]
            codes[found[0][0]] += 2
    exposed = await read(aiplatform_app)
    labels = {"grpc_service": service.SERVICE, "grpc_method": "ChatCompletions"}
    assert codes == {
        code: exposed.total("grpc_server_handled_total", **labels, grpc_code=code) for code in codes
    }


async def test_nothing_is_sent_before_the_first_token(
    vertex: AiplatformStub, upstream: DemoUpstream
) -> None:
    """A failure before the first token is Trailers-Only, also after a chunk with a role."""
    role = 'data {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"x":1}'
    for plan in ("status 503", f"{role}; reset"):
        upstream.script(plan, plan)
        call: Any = vertex.call(with_body({"stream": True, "messages": [HI]}))
        error = await error_of(collect(call))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert not await call.initial_metadata()
        upstream._script.clear()


HI = {"role": "user", "content": "hi"}


async def test_a_begun_answer_is_aborted(vertex: AiplatformStub, upstream: DemoUpstream) -> None:
    """After the first chunk a failure is ABORTED, and no chunk has a finish reason."""
    upstream.script("tokens 3; reset")
    call: Any = vertex.call(with_body({"stream": True, "messages": [HI]}))
    found = []

    async def read_all() -> None:
        async for message in call:
            found.append(decoded(message))  # noqa: PERF401 - keeps those before the failure

    error = await error_of(read_all())
    assert (error.code().name, reason_of(error)) == ("ABORTED", "UPSTREAM_STREAM_BROKEN")
    assert found
    assert not any(each["choices"][0]["finish_reason"] for each in found)
    assert upstream.requests_seen == 1


BLAMED: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "a parameter": ({"temperature": 1}, "temperature", ["temperature"]),
    "an unknown member": ({"new_option": {"a": 1}}, "new_option", ["new_option"]),
    "a part of one": ({"new_option": {"a": 1}}, "body.new_option.a", ["new_option"]),
    "a format": ({"response_format": {"type": "new"}}, "response_format.type", ["response_format"]),
    "a role": ({"messages": [HI, {"role": "x", "content": "a"}]}, "messages[1].role", ["messages"]),
    "nothing that was set": ({"new_option": 1}, "stream", []),
}


@pytest.mark.parametrize("what", BLAMED)
async def test_the_callers_member_is_blamed(start_app: StartApp, what: str) -> None:
    """Where the upstream names a member that the caller set, the error is the caller's."""
    body, parameter, fields = BLAMED[what]
    async with raw_upstream() as upstream:
        text = f'{{"error":{{"message":"canary","param":"{parameter}"}}}}'
        upstream.pieces = response(text.encode(), status="400 Bad Request")
        app = await start_app(protocols="aiplatform", base_url=upstream.base_url)
        async with aiplatform_stub(app.address) as stub:
            error = await error_of(stub.chunks(**body))
    assert "canary" not in str(error)
    if not fields:
        assert reason_of(error) == "UPSTREAM_REJECTED_REQUEST"
        return
    assert (error.code().name, reason_of(error)) == ("INVALID_ARGUMENT", "INVALID_PARAMETER")
    assert violated_fields_of(error) == fields


TIMEOUTS = {
    "stall": ("UNAVAILABLE", "UPSTREAM_TIMEOUT"),
    "headers; stall": ("UNAVAILABLE", "UPSTREAM_TIMEOUT"),
    "tokens 2; stall": ("ABORTED", "UPSTREAM_IDLE_TIMEOUT"),
}


@pytest.mark.parametrize("plan", TIMEOUTS)
async def test_timeouts(start_app: StartApp, upstream: DemoUpstream, plan: str) -> None:
    """An upstream that is silent ends a call as it ends one of `Send`."""
    app = await start_app(
        protocols="aiplatform", first_token_timeout_seconds=0.5, idle_timeout_seconds=0.5
    )
    async with aiplatform_stub(app.address) as stub:
        for call in all_forms(stub):
            upstream.script(plan, plan)
            assert await ending_of(call()) == TIMEOUTS[plan]
            upstream._script.clear()


async def test_a_bug(vertex: AiplatformStub, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in a conversion is INTERNAL, and its text reaches nobody."""

    def fail(*_: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(service, "to_request", fail)
    for call in (vertex.whole(), vertex.chunks()):
        error = await error_of(call)
        assert (error.code().name, reason_of(error)) == ("INTERNAL", "INTERNAL")
        assert "canary" not in str(error)


async def test_another_route_answers(tmp_path: Path) -> None:
    """A route that fails before the first token is followed by the next one, with its model."""
    models = {"m": {"routes": ["one/a", "two/b"]}}
    async with (
        gateway_world(tmp_path, models, {"one": {}, "two": {}}, protocols="aiplatform") as world,
        aiplatform_stub(world.app.address) as stub,
    ):
        world.upstreams["one"].script("status 500", "status 500")
        for ask in (stub.whole, stub.chunks):
            assert await ask(new_option=1)
        assert world.seen() == {"one": 2, "two": 2}
        sent = world.upstreams["two"].requests[-1].body
        assert (sent["model"], sent["new_option"]) == ("b", 1)


async def test_abilities(tmp_path: Path) -> None:
    """What the model cannot do is UNSUPPORTED_BY_MODEL, also with tools of other kinds."""
    models = {"m": {"routes": "one/a", "abilities": ["chat"]}}
    image = {"type": "image_url", "image_url": {"url": "http://example.com/a.png"}}
    async with (
        gateway_world(tmp_path, models, {"one": {}}, protocols="aiplatform") as world,
        aiplatform_stub(world.app.address) as stub,
    ):
        for body, field in (
            ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools"),
            ({"response_format": {"type": "json_object"}}, "response_format"),
            ({"reasoning_effort": "low"}, "reasoning_effort"),
            ({"messages": [{"role": "user", "content": [image]}]}, "messages[0].content"),
        ):
            error = await error_of(stub.chunks(**body))
            assert reason_of(error) == "UNSUPPORTED_BY_MODEL"
            assert violated_fields_of(error) == [field]
        assert world.seen() == {"one": 0}
