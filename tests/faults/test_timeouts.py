"""Rows 3 to 7: timeouts of the upstream, and the reason of each."""

import time

import grpc
import pytest

from support.helpers import text_of
from support.world import World, open_world, save_up

ABORTED = grpc.StatusCode.ABORTED
DEADLINE_EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

LONG_BEFORE_ANY_OTHER = 10
"""In seconds. All other limits of these calls are at least three times as long."""

BEFORE_HEADERS = "stall"
BEFORE_FIRST_TOKEN = ["headers; stall", "role; stall", "null-content; empty-choices; stall"]
MID_STREAM = "tokens 3; stall"
COMMENTS_FIRST = "headers; comments"
COMMENTS_MID_STREAM = "tokens 3; comments"


async def times_out(
    world: World, plan: str, reason: str, *, tokens: int = 0, **options: float
) -> float:
    """Check that the call fails for `reason`; return the seconds until the upstream saw its end."""
    begun = time.monotonic()
    code = ABORTED if tokens else UNAVAILABLE
    answers, _ = await world.fails(plan, code, reason, **options)
    assert len(text_of(answers).split()) == tokens
    request = world.upstream.requests[-1]
    assert request.outcome == "client gone"
    assert request.ended
    return request.ended - begun


async def test_row_3_before_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A response that does not arrive in time is UPSTREAM_TIMEOUT."""
    async with open_world(monkeypatch, first_token_timeout_seconds=0.5) as world:
        seconds = await times_out(world, BEFORE_HEADERS, "UPSTREAM_TIMEOUT", timeout=30)
    assert 0.5 <= seconds < LONG_BEFORE_ANY_OTHER


@pytest.mark.parametrize("plan", BEFORE_FIRST_TOKEN)
async def test_row_4_before_first_token(monkeypatch: pytest.MonkeyPatch, plan: str) -> None:
    """Headers, a role and empty chunks do not count as the first token."""
    async with open_world(monkeypatch, first_token_timeout_seconds=0.5) as world:
        seconds = await times_out(world, plan, "UPSTREAM_TIMEOUT", timeout=30)
    assert 0.5 <= seconds < LONG_BEFORE_ANY_OTHER


async def test_row_4_repetitions_included(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both attempts share the first-token timeout, so a retry gets only the remaining time."""
    async with open_world(monkeypatch, first_token_timeout_seconds=1) as world:
        await save_up(world)
        world.upstream.script("wait 0.8; status 500")
        seconds = await times_out(world, "headers; stall", "UPSTREAM_TIMEOUT")
    assert 1 <= seconds < 1.8


async def test_row_5_mid_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause between tokens that exceeds the idle timeout is UPSTREAM_IDLE_TIMEOUT."""
    async with open_world(monkeypatch, idle_timeout_seconds=0.5) as world:
        reason = "UPSTREAM_IDLE_TIMEOUT"
        seconds = await times_out(world, MID_STREAM, reason, tokens=3, timeout=30)
    assert 0.5 <= seconds < LONG_BEFORE_ANY_OTHER


async def test_row_5_each_token_resets_the_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each token resets the idle timeout, so a slow answer may take many times as long."""
    async with open_world(monkeypatch, idle_timeout_seconds=1) as world:
        plan = "; wait 0.4; ".join(["tokens 1"] * 5) + "; finish; done"
        answers = await world.succeeds(plan)
        request = world.upstream.requests[-1]
    assert len(text_of(answers).split()) == 5
    assert request.ended
    assert request.ended - request.started > 1


async def test_row_6_comments_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments do not count as the first token."""
    async with open_world(monkeypatch, first_token_timeout_seconds=0.5) as world:
        seconds = await times_out(world, COMMENTS_FIRST, "UPSTREAM_TIMEOUT", timeout=30)
    assert 0.5 <= seconds < LONG_BEFORE_ANY_OTHER


async def test_row_6_comments_mid_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments between tokens do not reset the idle timeout."""
    async with open_world(monkeypatch, idle_timeout_seconds=0.5) as world:
        reason = "UPSTREAM_IDLE_TIMEOUT"
        seconds = await times_out(world, COMMENTS_MID_STREAM, reason, tokens=3, timeout=30)
    assert 0.5 <= seconds < LONG_BEFORE_ANY_OTHER


@pytest.mark.parametrize("deadline", [None, 30, 1_000_000_000], ids=["none", "longer", "huge"])
async def test_row_7_endless_drip(monkeypatch: pytest.MonkeyPatch, deadline: float | None) -> None:
    """An endless answer is STREAM_DURATION_LIMIT, whatever deadline the caller sets."""
    async with open_world(monkeypatch, stream_timeout_seconds=0.5) as world:
        begun = time.monotonic()
        plan, reason = "drip every=0.05", "STREAM_DURATION_LIMIT"
        answers, _ = await world.fails(plan, ABORTED, reason, timeout=deadline)
        request = world.upstream.requests[-1]
    assert set(text_of(answers).split()) == {"drip"}
    assert request.outcome == "client gone"
    assert request.ended
    assert 0.5 <= request.ended - begun < LONG_BEFORE_ANY_OTHER


@pytest.mark.parametrize("plan", [BEFORE_HEADERS, *BEFORE_FIRST_TOKEN, COMMENTS_FIRST])
async def test_row_7_ceiling_before_the_first_token(
    monkeypatch: pytest.MonkeyPatch, plan: str
) -> None:
    """If the duration limit passes before the first token, the call is UNAVAILABLE."""
    async with open_world(monkeypatch, stream_timeout_seconds=0.2) as world:
        await times_out(world, plan, "STREAM_DURATION_LIMIT", timeout=30)


async def test_row_7_is_not_retried_by_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that has had its time before the first token tells gRPC not to repeat it."""
    async with open_world(monkeypatch, stream_timeout_seconds=0.2) as world:
        _, error = await world.fails(BEFORE_HEADERS, UNAVAILABLE, "STREAM_DURATION_LIMIT")
    assert ("grpc-retry-pushback-ms", "-1") in tuple(error.trailing_metadata() or ())


@pytest.mark.parametrize(
    "plan",
    [
        BEFORE_HEADERS,
        *BEFORE_FIRST_TOKEN,
        MID_STREAM,
        COMMENTS_FIRST,
        COMMENTS_MID_STREAM,
        "drip every=0.05",
    ],
)
async def test_rows_3_to_7_callers_deadline_wins(world: World, plan: str) -> None:
    """A caller's deadline that passes before all other timeouts is DEADLINE_EXCEEDED."""
    world.upstream.script(plan)
    _, error = await world.ended(world.send(timeout=0.3))
    assert error is not None
    assert error.code() is DEADLINE_EXCEEDED
    await world.check(DEADLINE_EXCEEDED)
    assert world.upstream.requests[-1].outcome == "client gone"
