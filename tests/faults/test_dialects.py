"""The rows of the failure table hold in both dialects of OpenAI-compatible upstreams."""

from collections.abc import AsyncIterator

import grpc
import pytest

from support.helpers import retry_delay_of, text_of, violated_fields_of
from support.world import World, open_world, save_up
from tokenwire.v1 import chatgpt_pb2 as pb

ABORTED = grpc.StatusCode.ABORTED
INTERNAL = grpc.StatusCode.INTERNAL
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}

BODY = "message=canary-body"
LIMITS = {"first_token_timeout_seconds": 1, "idle_timeout_seconds": 1}


@pytest.fixture(params=list(PATHS))
async def dialect(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch, dialect: str) -> AsyncIterator[World]:
    """A world whose server speaks each dialect in turn."""
    async with open_world(monkeypatch, dialect=dialect) as opened:
        yield opened


FAILURES: list[tuple[str, int, grpc.StatusCode, str]] = [
    ("reset", 0, UNAVAILABLE, "UPSTREAM_UNREACHABLE"),
    (f"status 400 code=context_length_exceeded {BODY}", 0, INVALID_ARGUMENT, "PROMPT_TOO_LONG"),
    (f"status 413 {BODY}", 0, INVALID_ARGUMENT, "PROMPT_TOO_LONG"),
    (f"status 400 code=content_policy_violation {BODY}", 0, INVALID_ARGUMENT, "PROMPT_REJECTED"),
    (f"status 400 {BODY}", 0, INTERNAL, "UPSTREAM_REJECTED_REQUEST"),
    ("redirect /elsewhere", 0, INTERNAL, "UPSTREAM_REJECTED_REQUEST"),
    (f"status 401 {BODY}", 0, FAILED_PRECONDITION, "UPSTREAM_AUTH_REJECTED"),
    (f"status 404 {BODY}", 0, FAILED_PRECONDITION, "UPSTREAM_MODEL_NOT_FOUND"),
    (f"status 504 {BODY}", 0, UNAVAILABLE, "UPSTREAM_TIMEOUT"),
    (f"status 429 code=insufficient_quota {BODY}", 0, EXHAUSTED, "UPSTREAM_QUOTA_EXHAUSTED"),
    (f"status 500 {BODY}", 0, UNAVAILABLE, "UPSTREAM_ERROR"),
    ("status 200 body=html", 0, UNAVAILABLE, "UPSTREAM_ERROR"),
    ("headers; reset", 0, UNAVAILABLE, "UPSTREAM_STREAM_BROKEN"),
    ("tokens 3; reset", 3, ABORTED, "UPSTREAM_STREAM_BROKEN"),
    ("tokens 3; close", 3, ABORTED, "UPSTREAM_STREAM_BROKEN"),
    ("headers; eof", 0, UNAVAILABLE, "UPSTREAM_TRUNCATED"),
    ("role; done", 0, UNAVAILABLE, "UPSTREAM_TRUNCATED"),
    ("tokens 3; eof", 3, ABORTED, "UPSTREAM_TRUNCATED"),
    ("tokens 3; done", 3, ABORTED, "UPSTREAM_TRUNCATED"),
    ("reasoning; eof", 0, ABORTED, "UPSTREAM_TRUNCATED"),
    ("tool-call; eof", 0, ABORTED, "UPSTREAM_TRUNCATED"),
    ("tokens 3; bad-json; done", 3, INTERNAL, "UPSTREAM_PROTOCOL_ERROR"),
    ("tokens 3; non-object; done", 3, INTERNAL, "UPSTREAM_PROTOCOL_ERROR"),
    ("tokens 3; invalid-utf8; answer", 3, INTERNAL, "UPSTREAM_PROTOCOL_ERROR"),
    ("tokens 3; lone-surrogate; answer", 3, INTERNAL, "UPSTREAM_PROTOCOL_ERROR"),
    (f"error {BODY}", 0, UNAVAILABLE, "UPSTREAM_ERROR"),
    (f"tokens 3; error {BODY}; done", 3, ABORTED, "UPSTREAM_ERROR"),
    (f"tokens 3; error-event {BODY}; done", 3, ABORTED, "UPSTREAM_ERROR"),
    (f"status 200 {BODY}", 0, UNAVAILABLE, "UPSTREAM_ERROR"),
    ("tokens 3; big-delta; answer", 3, INTERNAL, "UPSTREAM_EVENT_TOO_LARGE"),
    ("tokens 3; no-newline 40MB; answer", 3, INTERNAL, "UPSTREAM_RESPONSE_TOO_LARGE"),
    ("gzip-bomb 100MB", 0, INTERNAL, "UPSTREAM_RESPONSE_TOO_LARGE"),
    ("tokens 3; finish content_filter; done", 3, FAILED_PRECONDITION, "CONTENT_FILTERED"),
    ('tool-call arguments="[1]"; finish; done', 0, INTERNAL, "UPSTREAM_TOOL_CALL_INVALID"),
    ("scenario tool-call-bad-json", 0, INTERNAL, "UPSTREAM_TOOL_CALL_INVALID"),
    ("scenario tool-call-cut", 0, INTERNAL, "UPSTREAM_TOOL_CALL_INVALID"),
]


@pytest.mark.parametrize(("plan", "tokens", "code", "reason"), FAILURES)
async def test_failures(
    world: World, plan: str, tokens: int, code: grpc.StatusCode, reason: str
) -> None:
    """Each failure has its status and its reason, after the tokens before it."""
    answers, _ = await world.fails(plan, code, reason)
    assert len(text_of(answers).split()) == tokens


SUCCESSES: list[tuple[str, str, str]] = [
    ("text Yes; finish; usage; done", "Yes", "STOP"),
    ("text Yes; finish; eof", "Yes", "STOP"),
    ("text Yes; finish; usage; done; text more", "Yes", "STOP"),
    ("text Yes; finish; usage; done; stall", "Yes", "STOP"),
    ("line-ends crlf; text Yes; finish; usage; done", "Yes", "STOP"),
    ('writes byte; text "a\\u0000é🙂"; finish; usage; done', "a\x00é🙂", "STOP"),
    ('writes split-utf8; text "日本"; finish; usage; done', "日本", "STOP"),
    ("text Yes; finish length; usage; done", "Yes", "LENGTH"),
    ("refusal No; finish; usage; done", "No", "STOP"),
    ("role; finish; usage; done", "", "STOP"),
    ("reasoning hm; text Yes; finish; usage; done", "Yes", "STOP"),
    ("tool-call; finish tool_calls; usage; done", "", "TOOL_CALLS"),
    ("tool-call pieces=2; finish; usage; done", "", "TOOL_CALLS"),
    ("tool-calls 3; finish; usage; done", "", "TOOL_CALLS"),
    ("tool-call no_such_tool; finish; usage; done", "", "TOOL_CALLS"),
    ('tool-call id=""; finish; usage; done', "", "TOOL_CALLS"),
    ("tool-call a id=x; tool-call b id=y; finish; usage; done", "", "TOOL_CALLS"),
    ("reasoning; text Yes; tool-calls; finish; usage; done", "Yes", "TOOL_CALLS"),
]


@pytest.mark.parametrize(("plan", "text", "reason"), SUCCESSES)
async def test_successes(world: World, dialect: str, plan: str, text: str, reason: str) -> None:
    """Each complete answer has its text, its finish reason and its usage."""
    [*answers, last] = await world.succeeds(plan)
    assert text_of([*answers, last]) == text
    assert pb.FinishReason.Name(last.finish_reason) == f"FINISH_REASON_{reason}"
    assert last.HasField("usage") == ("usage" in plan)
    assert last.id.startswith({"chat": "chatcmpl-demo-", "responses": "resp-demo-"}[dialect])
    path = PATHS[dialect].removeprefix("/v1")
    assert world.upstream.requests[-1].path.endswith(path)


async def test_row_10_a_named_parameter(world: World) -> None:
    """A parameter that the caller set and the upstream rejects is the caller's."""
    plan = f"status 400 param=temperature {BODY}"
    params = pb.Params(temperature=1)
    _, error = await world.fails(plan, INVALID_ARGUMENT, "INVALID_PARAMETER", params=params)
    assert violated_fields_of(error) == ["params.temperature"]


async def test_row_14_rate_limits(world: World) -> None:
    """The wait of a rate limit is the caller's, and the request is not repeated."""
    before = world.upstream.requests_seen
    plan = f"status 429 retry-after=7 {BODY}"
    _, error = await world.fails(plan, EXHAUSTED, "UPSTREAM_RATE_LIMITED")
    assert retry_delay_of(error) == 7
    assert world.upstream.requests_seen == before + 1


TIMEOUTS: list[tuple[str, int, grpc.StatusCode, str]] = [
    ("stall", 0, UNAVAILABLE, "UPSTREAM_TIMEOUT"),
    ("role; stall", 0, UNAVAILABLE, "UPSTREAM_TIMEOUT"),
    ("headers; comments", 0, UNAVAILABLE, "UPSTREAM_TIMEOUT"),
    ("tokens 3; stall", 3, ABORTED, "UPSTREAM_IDLE_TIMEOUT"),
    ("tokens 3; comments", 3, ABORTED, "UPSTREAM_IDLE_TIMEOUT"),
    ("reasoning; stall", 0, ABORTED, "UPSTREAM_IDLE_TIMEOUT"),
]


@pytest.mark.parametrize("row", TIMEOUTS)
async def test_timeouts(
    monkeypatch: pytest.MonkeyPatch, dialect: str, row: tuple[str, int, grpc.StatusCode, str]
) -> None:
    """An upstream without progress is left, by the first-token or by the idle timeout."""
    plan, tokens, code, reason = row
    async with open_world(monkeypatch, dialect=dialect, **LIMITS) as world:
        answers, _ = await world.fails(plan, code, reason)
        assert len(text_of(answers).split()) == tokens
        assert world.upstream.requests[-1].outcome == "client gone"


async def test_row_2_is_repeated_once(world: World) -> None:
    """A reset before the headers is repeated within the budget."""
    await save_up(world)
    before = world.upstream.requests_seen
    world.upstream.script("reset")
    assert text_of(await world.succeeds("text cured; finish; done")) == "cured"
    assert world.upstream.requests_seen == before + 2


async def test_row_31_a_caller_that_leaves(world: World) -> None:
    """The upstream's connection is closed when the caller cancels."""
    world.upstream.script("tokens 1; stall")
    call = world.send()
    await call.read()
    call.cancel()
    await world.upstream.until(lambda: world.upstream.requests[-1].outcome == "client gone")
    await world.check(grpc.StatusCode.CANCELLED)


async def test_row_50_connections_are_reused(world: World) -> None:
    """The connection of an answer that has ended carries the next request."""
    before = len(world.upstream.connections)
    for _ in range(3):
        await world.succeeds("answer")
    assert len(world.upstream.connections) == before
