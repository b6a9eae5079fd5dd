"""Row 14: the upstream answers 429, and says when to come back."""

import time
from email.utils import formatdate

import grpc
import pytest

from faults.clients import ATTEMPTS, attempts
from faults.world import World, open_world, save_up
from helpers import retry_delay_of

RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
REASON = "UPSTREAM_RATE_LIMITED"

LONGEST_DELAY = 365 * 86_400
"""Seconds: nobody means more."""


async def limited(world: World, retry_after: str) -> float | None:
    """Return the delay that the caller is told where the upstream says `retry_after`."""
    plan = f'status 429 retry-after="{retry_after}" message=canary-body'
    answers, error = await world.fails(plan, RESOURCE_EXHAUSTED, REASON)
    assert answers == []
    return retry_delay_of(error)


@pytest.mark.parametrize("seconds", [0, 7, 86_400])
async def test_row_14_seconds(world: World, seconds: int) -> None:
    """429 is UPSTREAM_RATE_LIMITED, and RetryInfo is the upstream's Retry-After."""
    assert await limited(world, str(seconds)) == seconds


async def test_row_14_date(world: World) -> None:
    """A Retry-After that is a date becomes the time until then."""
    delay = await limited(world, formatdate(time.time() + 3_600, usegmt=True))
    assert delay is not None
    assert 3_500 < delay <= 3_600


async def test_row_14_past_date(world: World) -> None:
    """A date that is over means now."""
    assert await limited(world, "Wed, 21 Oct 2015 07:28:00 GMT") == 0


@pytest.mark.parametrize(
    "garbage",
    [
        "soon",
        "-5",
        "1.5",
        "1e9",
        "canary-delay",
        "Wed, 99 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 2015 07:28:00 +99999999999999999999",
    ],
)
async def test_row_14_garbage(world: World, garbage: str) -> None:
    """A Retry-After that makes no sense is as good as none."""
    assert await limited(world, garbage) is None


@pytest.mark.parametrize("digits", [12, 30, 400, 5_000])
async def test_row_14_huge(world: World, digits: int) -> None:
    """A Retry-After beyond all measure is cut to a year."""
    assert await limited(world, "9" * digits) == LONGEST_DELAY


async def test_row_14_leaves_no_headers(world: World) -> None:
    """A rate limit is Trailers-Only, so the caller's own retry policy may act on it."""
    assert await attempts(world, "status 429", RESOURCE_EXHAUSTED) == ATTEMPTS


async def test_row_14_retry_waits_as_told(saved_up: World) -> None:
    """Our own repetition comes no sooner than the upstream asks for."""
    saved_up.upstream.script("status 429 retry-after=1")
    await saved_up.succeeds("answer", timeout=30)
    first, second = saved_up.upstream.requests[-2:]
    assert first.ended
    assert second.started - first.ended >= 1


@pytest.mark.parametrize(
    ("overrides", "options"),
    [
        ({}, {"timeout": 20}),
        ({"first_token_timeout_seconds": 20}, {}),
        ({"stream_timeout_seconds": 20}, {}),
    ],
    ids=["the caller's deadline", "time to first token", "the whole stream"],
)
async def test_row_14_no_wait_beyond_the_deadline(
    monkeypatch: pytest.MonkeyPatch, overrides: dict[str, float], options: dict[str, float]
) -> None:
    """Where the delay does not fit into the time that is left, the caller is told at once."""
    async with open_world(monkeypatch, **overrides) as world:
        await save_up(world)
        before, started = world.upstream.requests_seen, time.monotonic()
        plan = "status 429 retry-after=30"
        _, error = await world.fails(plan, RESOURCE_EXHAUSTED, REASON, **options)
        assert retry_delay_of(error) == 30
        assert world.upstream.requests_seen == before + 1
        assert time.monotonic() - started < 10
