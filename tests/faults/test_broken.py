"""Rows 17 to 21: the upstream fails after the answer has begun."""

import json
from typing import cast

import grpc
import pytest

from support.clients import ATTEMPTS, attempts
from support.helpers import text_of
from support.world import World
from tokenwire.v1 import chatgpt_pb2 as pb

ABORTED = grpc.StatusCode.ABORTED
INTERNAL = grpc.StatusCode.INTERNAL
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

BODY = "message=canary-body"


def quoted(text: str) -> str:
    """Return the text quoted as a value of a plan."""
    return json.dumps(text)


async def breaks(world: World, tokens: int, rest: str, code: grpc.StatusCode, reason: str) -> None:
    """Check that the call fails as given if `rest` follows `tokens` tokens, which arrive."""
    before = world.upstream.requests_seen
    answers, _ = await world.fails(f"role; tokens {tokens}; {rest}", code, reason)
    assert len(text_of(answers).split()) == tokens
    assert world.upstream.requests_seen == before + 1


@pytest.mark.parametrize("ending", ["reset", "close"])
@pytest.mark.parametrize("tokens", [1, 3])
async def test_row_17_mid_stream(saved_up: World, tokens: int, ending: str) -> None:
    """A connection that breaks mid-stream is ABORTED after its tokens, and is not retried."""
    await breaks(saved_up, tokens, ending, ABORTED, "UPSTREAM_STREAM_BROKEN")


@pytest.mark.parametrize("ending", ["reset", "close"])
async def test_row_17_once_the_caller_has_the_tokens(world: World, ending: str) -> None:
    """The failure is the same if the connection breaks after the caller has read the token."""
    world.upstream.script(f"tokens 1; barrier read; {ending}")
    call = world.send()
    assert cast("pb.Answer", await call.read()).content
    world.upstream.barrier("read").release()
    assert cast("pb.Answer", await call.read()).error == "UPSTREAM_STREAM_BROKEN"
    assert await call.code() is ABORTED
    await world.check(ABORTED, "UPSTREAM_STREAM_BROKEN")


@pytest.mark.parametrize("ending", ["reset", "close"])
async def test_row_17_before_the_first_token(world: World, ending: str) -> None:
    """A connection that breaks after the headers but before a token is UNAVAILABLE."""
    await breaks(world, 0, ending, UNAVAILABLE, "UPSTREAM_STREAM_BROKEN")


async def test_row_17_retries_of_the_caller(world: World) -> None:
    """The caller's retry policy retries a break before the first token, but no later one."""
    assert await attempts(world, "headers; reset", UNAVAILABLE) == ATTEMPTS
    assert await attempts(world, "tokens 1; reset", ABORTED) == 1


@pytest.mark.parametrize("ending", ["eof", "done", "usage; done"])
@pytest.mark.parametrize(("tokens", "code"), [(0, UNAVAILABLE), (1, ABORTED), (3, ABORTED)])
async def test_row_18_truncated(
    world: World, tokens: int, code: grpc.StatusCode, ending: str
) -> None:
    """A stream that ends without a finish reason is UPSTREAM_TRUNCATED, even with [DONE]."""
    await breaks(world, tokens, ending, code, "UPSTREAM_TRUNCATED")


@pytest.mark.parametrize("plan", ["headers; eof", "headers; done", "headers; comments count=3"])
async def test_row_18_truncated_without_an_event(world: World, plan: str) -> None:
    """A response without any event is UPSTREAM_TRUNCATED."""
    await world.fails(plan, UNAVAILABLE, "UPSTREAM_TRUNCATED")


@pytest.mark.parametrize(
    "ending", ["eof", "usage; eof", "close", "reset", "bad-json; done", f"error {BODY}", "stall"]
)
async def test_row_19_finished(world: World, ending: str) -> None:
    """An answer with a finish reason succeeds, whatever arrives instead of [DONE]."""
    answers = await world.succeeds(f"tokens 3; finish stop; {ending}")
    assert len(text_of(answers).split()) == 3
    assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
    assert bool(answers[-1].usage.output_tokens) == ("usage" in ending)


MALFORMED = {
    "half an object": "bad-json",
    "text": "data canary-body",
    "a list": "non-object",
    "a number": "data 7",
    "null": "data null",
    "a string": "data " + quoted('"canary-body"'),
    "invalid UTF-8": "invalid-utf8",
    "invalid UTF-8 outside the text": "data " + quoted('{"id":"\ud800","choices":[]}'),
    "lone surrogate": "lone-surrogate",
    "choices of text": "data " + quoted('{"choices":"canary-body"}'),
    "a choice of null": "data " + quoted('{"choices":[null]}'),
    "a delta of text": "data " + quoted('{"choices":[{"delta":"canary-body"}]}'),
    "a text that is an object": "data " + quoted('{"choices":[{"delta":{"content":{}}}]}'),
    "depth": "data " + quoted('{"choices":' + "[" * 10_000),
}


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("tokens", [0, 3])
async def test_row_20_protocol_error(world: World, tokens: int, malformed: str) -> None:
    """Data that is not a chat-completion chunk fails the call, after the tokens before it."""
    await breaks(world, tokens, f"{malformed}; answer", INTERNAL, "UPSTREAM_PROTOCOL_ERROR")


async def test_row_20_is_not_repeated(saved_up: World) -> None:
    """A protocol error is not retried."""
    await breaks(saved_up, 0, "bad-json; done", INTERNAL, "UPSTREAM_PROTOCOL_ERROR")


ERRORS = {
    "object": f"error {BODY}",
    "event": f"error-event {BODY}",
    "event of text": "raw " + quoted("event: error\ndata: canary-body\n\n"),
    "text": "data " + quoted('{"error":"canary-body"}'),
    "without an event": "raw " + quoted('{"error":{"message":"canary-body"}}\n'),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize(("tokens", "code"), [(0, UNAVAILABLE), (3, ABORTED)])
async def test_row_21_error_in_the_answer(
    world: World, tokens: int, code: grpc.StatusCode, error: str
) -> None:
    """An error in a response of status 200 is UPSTREAM_ERROR, before and after the first token."""
    await breaks(world, tokens, error, code, "UPSTREAM_ERROR")


@pytest.mark.parametrize("error", [f"error {BODY}", f"status 200 {BODY}"])
async def test_row_21_is_repeated_before_the_first_token(saved_up: World, error: str) -> None:
    """An error before the first token is retried once, even in a response of status 200."""
    before = saved_up.upstream.requests_seen
    saved_up.upstream.script(error)
    answers = await saved_up.succeeds("text cured; answer")
    assert text_of(answers).startswith("cured")
    assert saved_up.upstream.requests_seen == before + 2


async def test_row_21_error_body(world: World) -> None:
    """A response of status 200 whose body is an error object is UPSTREAM_ERROR."""
    await world.fails(f"status 200 {BODY}", UNAVAILABLE, "UPSTREAM_ERROR")
