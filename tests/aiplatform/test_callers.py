"""Callers of OpenAI's JSON over gRPC: keys, slots, limits, and what happens when they leave."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.aiplatform import AiplatformStub, aiplatform_stub, decoded, with_body
from support.app import StartApp
from support.exposed import read
from support.gateway import HELLO, GatewayWorld, gateway_world
from support.helpers import collect, reason_of, violated_fields_of
from support.limits import KEY, OTHER_KEY, bearer, callers
from support.unary import ending_of, error_of
from tokenwire.app import App
from tokenwire.cli.keys import hash_of
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

STREAM = with_body({"stream": True, "messages": [{"role": "user", "content": "hi"}]})
PRICE = {"input": 1, "output": 2000}
MODELS = {
    "m": {"routes": "one/a", "price": PRICE},
    "n": {"routes": "one/b", "price": PRICE},
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[GatewayWorld]:
    """A server with callers, of whom one has a budget and one may use one model."""
    narrow = {"narrow": {"keys": [hash_of("narrow")], "models": ["n"]}}
    by_name = callers(dollars="2/d") | narrow
    async with gateway_world(
        tmp_path, MODELS, {"one": {}}, callers=by_name, protocols="aiplatform"
    ) as running:
        yield running


@pytest.fixture
async def known(world: GatewayWorld) -> AsyncIterator[AiplatformStub]:
    """A client of that server."""
    async with aiplatform_stub(world.app.address) as stub:
        yield stub


async def read_rest(call: Any) -> None:
    """Read a stream to its end, or until it fails."""
    while await call.read() is not grpc.aio.EOF:
        pass


ACCEPTED: dict[str, tuple[tuple[str, str], ...]] = {
    "a bearer": bearer(KEY),
    "Google's header": (("x-goog-api-key", KEY),),
    "both": (("x-goog-api-key", "wrong"), *bearer(KEY)),
}


@pytest.mark.parametrize("how", ACCEPTED)
async def test_keys(world: GatewayWorld, known: AiplatformStub, how: str) -> None:
    """A key opens in both headers, `authorization` first, and never goes upstream."""
    for ask in (known.chunks, known.whole):
        assert await ask(options={"metadata": ACCEPTED[how]})
    sent = world.upstreams["one"].requests[-1]
    assert KEY not in str((sent.headers, sent.body))


REFUSED: dict[str, tuple[tuple[tuple[str, str], ...], str]] = {
    "none": ((), "CREDENTIALS_MISSING"),
    "unknown": ((("x-goog-api-key", "wrong"),), "CREDENTIALS_INVALID"),
    "both": ((("x-goog-api-key", KEY), *bearer("wrong")), "CREDENTIALS_INVALID"),
}


@pytest.mark.parametrize("how", REFUSED)
async def test_wrong_keys(world: GatewayWorld, known: AiplatformStub, how: str) -> None:
    """Without a caller's key nothing is asked, and a key in the body is none."""
    metadata, reason = REFUSED[how]
    for ask in (known.chunks, known.whole):
        ending = await ending_of(ask(options={"metadata": metadata}, api_key=KEY))
        assert ending == ("UNAUTHENTICATED", reason)
    assert world.seen() == {"one": 0}


async def test_a_model_that_is_not_allowed(world: GatewayWorld, known: AiplatformStub) -> None:
    """A caller gets only its models, whatever members name another one."""
    options = {"metadata": bearer("narrow")}
    for body, fields in (({"model": "m"}, ["model"]), ({"models": ["m"]}, ["models"])):
        error = await error_of(known.chunks(options=options, **body))
        assert violated_fields_of(error) == fields
    endpoint = "projects/p/locations/l/endpoints/m"
    error = await error_of(known.chunks(options=options, endpoint=endpoint))
    assert (reason_of(error), violated_fields_of(error)) == ("MODEL_NOT_ALLOWED", ["endpoint"])
    assert world.seen() == {"one": 0}
    await known.chunks(options=options)
    assert world.upstreams["one"].requests[-1].body["model"] == "b"


async def test_a_budget_cuts_the_answer(world: GatewayWorld, known: AiplatformStub) -> None:
    """A budget that is used up ends a stream, and refuses the next call."""
    world.upstreams["one"].script('filler 100000 "word "; finish; done')
    call: Any = known.call(STREAM, metadata=bearer(KEY))
    assert decoded(await call.read())["choices"]
    assert await ending_of(read_rest(call)) == ("RESOURCE_EXHAUSTED", "CALLER_BUDGET_EXHAUSTED")
    for ask in (known.chunks, known.whole):
        ending = await ending_of(ask(options={"metadata": bearer(KEY)}))
        assert ending == ("RESOURCE_EXHAUSTED", "CALLER_BUDGET_EXHAUSTED")
    assert await known.chunks(options={"metadata": bearer(OTHER_KEY)})


async def test_a_call_needs_a_slot(start_app: StartApp, upstream: DemoUpstream) -> None:
    """All protocols share the slots."""
    app = await start_app(protocols="aiplatform,xai", max_streams=1, max_queue=0)
    upstream.script("stall")
    async with aiplatform_stub(app.address) as stub:
        running = stub.call(STREAM)
        await upstream.wait_for_requests(1)
        full = ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED")
        send = chatgpt_pb2_grpc.ChatgptStub(stub.channel).Send
        assert await ending_of(collect(send(HELLO))) == full
        assert await ending_of(stub.whole()) == full
        running.cancel()
    await upstream.wait_until_idle()


async def test_a_caller_who_leaves_ends_the_request(
    vertex: AiplatformStub, upstream: DemoUpstream
) -> None:
    """Cancellation and deadline close the upstream's connection in both forms."""
    upstream.script("tokens 2; stall", "tokens 2; stall", "stall")
    call: Any = vertex.call(STREAM)
    assert decoded(await call.read())["choices"]
    call.cancel()
    await upstream.wait_until_disconnected()
    for ask in (vertex.whole, vertex.chunks):
        error = await error_of(ask(options={"timeout": 0.3}))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await upstream.wait_until_disconnected()


async def test_a_slow_reader(start_app: StartApp, upstream: DemoUpstream) -> None:
    """A caller that does not read loses its answer, and the upstream's request ends."""
    app = await start_app(protocols="aiplatform", reader_timeout_seconds=0.3)
    upstream.script('filler 1000000 "word "; finish; done')
    async with aiplatform_stub(app.address) as stub:
        call: Any = stub.call(STREAM)
        assert decoded(await call.read())["choices"]
        await upstream.wait_until_disconnected()
        # Its status may never reach a caller that does not read.
        while not (await read(app)).total("tokenwire_errors_total", reason="SLOW_CONSUMER"):
            pass
        call.cancel()


async def test_the_end_reaches_a_caller_during_a_shutdown(
    aiplatform_app: App, vertex: AiplatformStub, upstream: DemoUpstream
) -> None:
    """An answer that runs while the server drains has its finish reason and its usage."""
    upstream.script("barrier going; answer")
    asking = asyncio.create_task(vertex.chunks(stream_options={"include_usage": True}))
    await upstream.barrier("going").reached()
    draining = asyncio.create_task(aiplatform_app.drain())
    upstream.barrier("going").release()
    *_, finish, last = await asking
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert last["usage"]["total_tokens"]
    await draining


async def test_a_call_without_a_message(vertex: AiplatformStub) -> None:
    """A call that ends before its message is MALFORMED_REQUEST."""
    path = "/google.cloud.aiplatform.v1beta1.PredictionService/ChatCompletions"
    call: Any = vertex.channel.stream_unary(path)
    assert await ending_of(call(iter(()))) == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")
