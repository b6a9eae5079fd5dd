"""Rows 1 to 26 for the unary methods that ask the upstream: how it fails, and what a call becomes.

The codes of failures within a response are in tests/test_embed_responses.py and
tests/test_count_tokens_responses.py. Here each call also leaves nothing behind and says nothing.
"""

import asyncio
import gzip
from collections.abc import AsyncIterator

import grpc
import pytest

from support.helpers import reason_of, retry_delay_of
from support.memory import MB, peak_memory, reset_peak_memory
from support.methods import ASK, ASKING, SETTINGS, UnaryMethod, failed
from support.raw_upstream import Piece, RawUpstream, Reset, raw_upstream
from support.unary import error_of, never
from support.world import World, open_world, save_up
from tokenwire_demo import DemoUpstream

ABORTED = grpc.StatusCode.ABORTED
INTERNAL = grpc.StatusCode.INTERNAL
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

BODY = "message=canary-body"
REJECTIONS: dict[str, tuple[grpc.StatusCode, str]] = {
    f"status 400 code=context_length_exceeded {BODY}": (INVALID_ARGUMENT, "PROMPT_TOO_LONG"),
    f"status 413 {BODY}": (INVALID_ARGUMENT, "PROMPT_TOO_LONG"),
    f"status 400 code=content_policy_violation {BODY}": (INVALID_ARGUMENT, "PROMPT_REJECTED"),
    f"status 400 {BODY}": (INTERNAL, "UPSTREAM_REJECTED_REQUEST"),
    "status 400 body=html": (INTERNAL, "UPSTREAM_REJECTED_REQUEST"),
    f"status 422 {BODY}": (INTERNAL, "UPSTREAM_REJECTED_REQUEST"),
    "redirect /elsewhere": (INTERNAL, "UPSTREAM_REJECTED_REQUEST"),
    "redirect //": (INTERNAL, "UPSTREAM_REJECTED_REQUEST"),
    f"status 401 {BODY}": (FAILED_PRECONDITION, "UPSTREAM_AUTH_REJECTED"),
    f"status 403 {BODY}": (FAILED_PRECONDITION, "UPSTREAM_AUTH_REJECTED"),
    f"status 404 {BODY}": (FAILED_PRECONDITION, "UPSTREAM_MODEL_NOT_FOUND"),
    f"status 408 {BODY}": (UNAVAILABLE, "UPSTREAM_TIMEOUT"),
    f"status 504 {BODY}": (UNAVAILABLE, "UPSTREAM_TIMEOUT"),
    f"status 409 {BODY}": (UNAVAILABLE, "UPSTREAM_CONFLICT"),
    f"status 429 {BODY}": (EXHAUSTED, "UPSTREAM_RATE_LIMITED"),
    f"status 429 code=insufficient_quota {BODY}": (EXHAUSTED, "UPSTREAM_QUOTA_EXHAUSTED"),
    f"status 402 {BODY}": (EXHAUSTED, "UPSTREAM_QUOTA_EXHAUSTED"),
    f"status 500 {BODY}": (UNAVAILABLE, "UPSTREAM_ERROR"),
    f"status 503 {BODY}": (UNAVAILABLE, "UPSTREAM_ERROR"),
    "status 529 body=empty": (UNAVAILABLE, "UPSTREAM_ERROR"),
    "status 502 body=html": (UNAVAILABLE, "UPSTREAM_ERROR"),
    "status 200 body=html": (UNAVAILABLE, "UPSTREAM_ERROR"),
}


@pytest.fixture(params=ASKING, ids=str)
def method(request: pytest.FixtureRequest) -> UnaryMethod:
    found: UnaryMethod = request.param
    return found


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with open_world(monkeypatch, **SETTINGS) as opened:
        yield opened


@pytest.fixture
async def raw() -> AsyncIterator[RawUpstream]:
    async with raw_upstream() as running:
        yield running


@pytest.fixture
async def raw_world(monkeypatch: pytest.MonkeyPatch, raw: RawUpstream) -> AsyncIterator[World]:
    """A world whose upstream is `raw`."""
    async with open_world(monkeypatch, **SETTINGS, base_url=raw.base_url) as opened:
        yield opened


async def test_each_method_succeeds(world: World, method: UnaryMethod) -> None:
    """A call leaves nothing behind and nothing of its texts in metrics, log and spans."""
    await method.call(world.stub)
    await world.check(grpc.StatusCode.OK)


@pytest.mark.parametrize("plan", REJECTIONS)
async def test_rejections(world: World, method: UnaryMethod, plan: str) -> None:
    """Each rejection is asked for once, counted once, and nothing of its text is told."""
    before = world.upstream.requests_seen
    world.upstream.script(plan)
    assert await failed(method.call(world.stub)) == REJECTIONS[plan]
    assert world.upstream.requests_seen == before + 1
    await world.check(*REJECTIONS[plan])


async def test_row_1_unreachable(monkeypatch: pytest.MonkeyPatch, method: UnaryMethod) -> None:
    """An upstream that does not listen is UPSTREAM_UNREACHABLE."""
    async with open_world(monkeypatch, **SETTINGS, base_url="http://127.0.0.1:1/v1") as world:
        ending = (UNAVAILABLE, "UPSTREAM_UNREACHABLE")
        # The world's first call has failed too.
        assert await failed(method.call(world.stub)) == ending
        await world.check(*ending)


async def test_row_2_reset(world: World, method: UnaryMethod) -> None:
    """A reset of a reused connection is repeated once; that of a new one fails the call."""
    before = world.upstream.requests_seen
    world.upstream.script("reset", "reset")
    ending = (UNAVAILABLE, "UPSTREAM_UNREACHABLE")
    assert await failed(method.call(world.stub)) == ending
    assert world.upstream.requests_seen == before + 2
    await world.check(*ending)


async def test_row_3_silence(monkeypatch: pytest.MonkeyPatch, method: UnaryMethod) -> None:
    """No response within the limit is UPSTREAM_TIMEOUT."""
    limits = {"first_token_timeout_seconds": 0.5, "idle_timeout_seconds": 0.5}
    async with open_world(monkeypatch, **SETTINGS, **limits) as world:
        world.upstream.script("stall")
        ending = (UNAVAILABLE, "UPSTREAM_TIMEOUT")
        assert await failed(method.call(world.stub)) == ending
        await world.check(*ending)


@pytest.mark.parametrize("timeout_", [None, 86_400], ids=["none", "a day"])
async def test_row_7_a_deadline_that_is_too_long(
    monkeypatch: pytest.MonkeyPatch, method: UnaryMethod, timeout_: float | None
) -> None:
    """A call without a deadline, or with a long one, ends with the limit of the service."""
    async with open_world(monkeypatch, **SETTINGS, stream_timeout_seconds=0.3) as world:
        world.upstream.script("stall")
        ending = (UNAVAILABLE, "STREAM_DURATION_LIMIT")
        assert await failed(method.call(world.stub, timeout=timeout_)) == ending
        await world.check(*ending)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_row_10_redirect(world: World, method: UnaryMethod, status: int) -> None:
    """The target of a redirect gets no request, and no connection."""
    async with DemoUpstream() as target:
        url = target.base_url.replace("/v1", "/canary-elsewhere/v1")
        world.upstream.script(f"redirect {url}/embeddings {status}")
        ending = (INTERNAL, "UPSTREAM_REJECTED_REQUEST")
        assert await failed(method.call(world.stub)) == ending
        assert target.connections == []
    await world.check(*ending)


async def test_row_14_when_to_come_back(world: World, method: UnaryMethod) -> None:
    """RetryInfo has the upstream's Retry-After."""
    world.upstream.script("status 429 retry-after=7")
    error = await error_of(method.call(world.stub))
    assert retry_delay_of(error) == 7
    await world.check(EXHAUSTED, "UPSTREAM_RATE_LIMITED")


async def test_row_15_quota_is_not_retried(world: World, method: UnaryMethod) -> None:
    """The pushback of an exhausted quota stops the caller's retries."""
    world.upstream.script("status 402")
    error = await error_of(method.call(world.stub))
    assert ("grpc-retry-pushback-ms", "-1") in tuple(error.trailing_metadata() or ())
    await world.check(EXHAUSTED, "UPSTREAM_QUOTA_EXHAUSTED")


@pytest.mark.parametrize("plan", ["status 409", "status 500", "status 200 body=html"])
async def test_the_budget_pays_for_one_retry(world: World, method: UnaryMethod, plan: str) -> None:
    """A failure before the response is repeated once, within the budget that all methods share."""
    await save_up(world)
    before = world.upstream.requests_seen
    world.upstream.script(plan, "answer", plan)
    await method.call(world.stub)
    assert world.upstream.requests_seen == before + 2
    await world.check(grpc.StatusCode.OK)
    error = await error_of(method.call(world.stub))
    assert error.code() is UNAVAILABLE
    assert world.upstream.requests_seen == before + 3
    await world.check(UNAVAILABLE, reason_of(error))


def answered(method: UnaryMethod, *body: Piece, **headers: str) -> list[Piece]:
    """Return a response of the type that the method's upstream has."""
    kind = "text/event-stream" if method is ASK else "application/json"
    fields = {"content-type": kind, "connection": "close"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return [f"HTTP/1.1 200 OK\r\n{head}\r\n".encode(), *body]


BEGUN = {"Ask": b'data: {"choices":[{"delta":{"content":"canary"}}]}\n\n'}
"""The beginning of a response; of JSON, a brace alone."""
BROKEN: dict[str, tuple[list[Piece], str]] = {
    "row 17, a reset": ([Reset()], "UPSTREAM_STREAM_BROKEN"),
    "row 18, the end": ([], "UPSTREAM_TRUNCATED"),
}


@pytest.mark.parametrize("end", BROKEN)
async def test_a_response_that_breaks(
    raw_world: World, raw: RawUpstream, method: UnaryMethod, end: str
) -> None:
    """A response that ends too early has been paid for, so the failure is ABORTED."""
    pieces, reason = BROKEN[end]
    raw.pieces = answered(method, BEGUN.get(method.name, b'{"canary"'), *pieces)
    assert await failed(method.call(raw_world.stub)) == (ABORTED, reason)
    await raw_world.check(ABORTED, reason)


WRONG: dict[str, tuple[bytes, grpc.StatusCode, str]] = {
    "row 20, no JSON": (b"{canary}", INTERNAL, "UPSTREAM_PROTOCOL_ERROR"),
    "row 20, a list": (b'["canary"]', INTERNAL, "UPSTREAM_PROTOCOL_ERROR"),
    "row 20, no UTF-8": (b'{"canary":"\xff"}', INTERNAL, "UPSTREAM_PROTOCOL_ERROR"),
    "row 21, an error": (b'{"error":{"message":"canary"}}', UNAVAILABLE, "UPSTREAM_ERROR"),
}


@pytest.mark.parametrize("shape", WRONG)
async def test_a_response_of_another_shape(
    raw_world: World, raw: RawUpstream, method: UnaryMethod, shape: str
) -> None:
    """A response that is no answer fails the call, and nothing of its text is told."""
    body, code, reason = WRONG[shape]
    raw.pieces = answered(method, b"data: " + body + b"\n\n" if method is ASK else body)
    assert await failed(method.call(raw_world.stub)) == (code, reason)
    await raw_world.check(code, reason)


ENDLESS = {"Ask": b"data: ", "CountTokens": b'{"x":"', "Embed": b'{"data":[{"embedding":"'}


async def test_rows_25_and_26_an_endless_response(
    raw_world: World, raw: RawUpstream, method: UnaryMethod
) -> None:
    """A value without an end fails the call at the limit, in less than 10 MB of memory."""
    raw.pieces = answered(method, ENDLESS[method.name], *[b"x" * 65_536] * 4_000, never())
    before = reset_peak_memory()
    code, reason = await failed(method.call(raw_world.stub))
    assert peak_memory() - before <= 10 * MB
    assert code is INTERNAL
    assert reason in {"UPSTREAM_EVENT_TOO_LARGE", "UPSTREAM_RESPONSE_TOO_LARGE"}
    await raw_world.check(code, reason)


@pytest.mark.parametrize("filling", [b"\n", b"x"], ids=["white space", "a value"])
async def test_row_26_a_bomb(
    raw_world: World, raw: RawUpstream, method: UnaryMethod, filling: bytes
) -> None:
    """A small response that unpacks to 64 MB is not unpacked whole."""
    bomb = gzip.compress(ENDLESS[method.name] * (filling == b"x") + filling * 64_000_000)
    raw.pieces = answered(method, bomb, content_encoding="gzip")
    before = reset_peak_memory()
    code, reason = await failed(method.call(raw_world.stub))
    assert peak_memory() - before <= 10 * MB
    assert code is INTERNAL
    assert reason in {"UPSTREAM_EVENT_TOO_LARGE", "UPSTREAM_RESPONSE_TOO_LARGE"}
    await raw_world.check(code, reason)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip"])
async def test_row_26_unreadable_compression(
    raw_world: World, raw: RawUpstream, method: UnaryMethod, encoding: str
) -> None:
    """A body that is not what its header says is a protocol error."""
    raw.pieces = answered(method, b"canary" * 100, content_encoding=encoding)
    assert await failed(method.call(raw_world.stub)) == (INTERNAL, "UPSTREAM_PROTOCOL_ERROR")
    await raw_world.check(INTERNAL, "UPSTREAM_PROTOCOL_ERROR")


async def test_row_26_a_huge_error(raw_world: World, raw: RawUpstream, method: UnaryMethod) -> None:
    """Of an error's body, no more is read than can name its reason."""
    waiting = asyncio.Event()
    head = b"HTTP/1.1 500 Error\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
    raw.pieces = [head, b'{"error":"', *[b"canary" * 10_000] * 2_000, waiting]
    before = reset_peak_memory()
    assert await failed(method.call(raw_world.stub)) == (UNAVAILABLE, "UPSTREAM_ERROR")
    assert peak_memory() - before <= 10 * MB
    await raw_world.check(UNAVAILABLE, "UPSTREAM_ERROR")
