"""Row 14: the upstream responds with 429, and may request a delay."""

import asyncio
import time
from email.utils import formatdate
from itertools import pairwise

import grpc
import pytest

from support.clients import ATTEMPTS, attempts, retrying_stub
from support.helpers import failure_of, pushback_of, retry_delay_of
from support.world import PROMPT, World, open_world, save_up
from tokenwire.v1 import chatgpt_pb2 as pb

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
REASON = "UPSTREAM_RATE_LIMITED"

LONGEST_DELAY = 365 * 86_400
"""The limit of a delay, in seconds."""


async def limited(world: World, retry_after: str) -> float | None:
    """Return the delay in RetryInfo if the upstream's Retry-After is `retry_after`."""
    plan = f'status 429 retry-after="{retry_after}" message=canary-body'
    answers, error = await world.fails(plan, RESOURCE_EXHAUSTED, REASON)
    assert answers == []
    return retry_delay_of(error)


@pytest.mark.parametrize("seconds", [0, 7, 86_400])
async def test_row_14_seconds(world: World, seconds: int) -> None:
    """429 is UPSTREAM_RATE_LIMITED, and RetryInfo has the upstream's Retry-After."""
    assert await limited(world, str(seconds)) == seconds


async def test_row_14_date(world: World) -> None:
    """A Retry-After that is a date becomes the time until then."""
    delay = await limited(world, formatdate(time.time() + 3_600, usegmt=True))
    assert delay is not None
    assert 3_500 < delay <= 3_600


async def test_row_14_past_date(world: World) -> None:
    """A date in the past becomes a delay of 0."""
    assert await limited(world, "Wed, 21 Oct 2015 07:28:00 GMT") == 0


@pytest.mark.parametrize(
    "garbage",
    [
        "soon",
        "-5",
        "1.5.2",
        "1e9",
        "canary-delay",
        "Wed, 99 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 2015 07:28:00 +99999999999999999999",
    ],
)
async def test_row_14_garbage(world: World, garbage: str) -> None:
    """An invalid Retry-After is ignored."""
    assert await limited(world, garbage) is None


@pytest.mark.parametrize("digits", [12, 30, 400, 5_000])
async def test_row_14_huge(world: World, digits: int) -> None:
    """A Retry-After of more than a year is reduced to a year."""
    assert await limited(world, "9" * digits) == LONGEST_DELAY


async def test_row_14_leaves_no_headers(world: World) -> None:
    """A rate limit is Trailers-Only, so the caller's own retry policy can retry it."""
    assert await attempts(world, "status 429", RESOURCE_EXHAUSTED) == ATTEMPTS


async def test_row_14_retry_waits_as_told(saved_up: World) -> None:
    """The service's retry waits for as long as the upstream requests."""
    saved_up.upstream.script("status 429 retry-after=1")
    await saved_up.succeeds("answer", timeout=30)
    first, second = saved_up.upstream.requests[-2:]
    assert first.ended
    assert second.started - first.ended >= 1


@pytest.mark.parametrize(
    ("overrides", "options"),
    [
        ({}, {"timeout": 1.9}),
        ({"first_token_timeout_seconds": 1.9}, {}),
        ({"stream_timeout_seconds": 1.9}, {}),
    ],
    ids=["the caller's deadline", "time to first token", "the whole stream"],
)
async def test_row_14_no_wait_beyond_the_deadline(
    monkeypatch: pytest.MonkeyPatch, overrides: dict[str, float], options: dict[str, float]
) -> None:
    """If the delay exceeds the remaining time, the call fails at once."""
    async with open_world(monkeypatch, **overrides) as world:
        await save_up(world)
        before = world.upstream.requests_seen
        _, error = await world.fails(
            "status 429 retry-after=2", RESOURCE_EXHAUSTED, REASON, **options
        )
        assert retry_delay_of(error) == 2
        assert world.upstream.requests_seen == before + 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ("retry-after=45", 45),
        ("retry-after=9.5", 9.5),
        ("retry-after-ms=9500 retry-after=10", 9.5),
        ("x-ms-retry-after-ms=9500 retry-after=10", 9.5),
        ("retry-after=2.001", 2.001),
    ],
)
@pytest.mark.parametrize(
    "ending",
    [
        (429, RESOURCE_EXHAUSTED, REASON),
        (503, UNAVAILABLE, "UPSTREAM_ERROR"),
        (409, UNAVAILABLE, "UPSTREAM_CONFLICT"),
    ],
)
async def test_rows_13_14_and_16_a_long_wait_is_the_callers(
    saved_up: World, ending: tuple[int, grpc.StatusCode, str], headers: str, seconds: float
) -> None:
    """A delay of more than 2 s, in any form, is left to the caller, and the call fails at once."""
    status, code, reason = ending
    before, started = saved_up.upstream.requests_seen, time.monotonic()
    _, error = await saved_up.fails(f"status {status} {headers}", code, reason)
    assert time.monotonic() - started < seconds
    assert saved_up.upstream.requests_seen == before + 1
    assert retry_delay_of(error) == seconds
    assert pushback_of(error) == str(round(seconds * 1000))


@pytest.mark.parametrize("headers", ["retry-after=1.5", "retry-after-ms=300", ""])
async def test_row_14_a_short_wait_is_ours(saved_up: World, headers: str) -> None:
    """After a delay of up to 2 s, the service retries once, and the call succeeds."""
    before = saved_up.upstream.requests_seen
    saved_up.upstream.script(f"status 429 {headers}")
    await saved_up.succeeds("answer")
    assert saved_up.upstream.requests_seen == before + 2


async def test_row_14_no_wait_no_pushback(world: World) -> None:
    """Without a requested delay there is no pushback, so gRPC's own backoff applies."""
    _, error = await world.fails("status 429", RESOURCE_EXHAUSTED, REASON)
    assert retry_delay_of(error) is None
    assert pushback_of(error) is None


async def test_row_14_a_pushback_fits_every_client(world: World) -> None:
    """A pushback is at most 2**31 - 1 ms, the largest value that Java reads."""
    plan = f"status 429 retry-after={LONGEST_DELAY}"
    _, error = await world.fails(plan, RESOURCE_EXHAUSTED, REASON)
    assert pushback_of(error) == str(2**31 - 1)


async def test_row_14_grpcs_own_retries_come_when_told(world: World) -> None:
    """A caller that leaves retries to gRPC retries after the delay, not after its own backoff."""
    first = world.upstream.requests_seen
    assert await attempts(world, "status 429 retry-after-ms=700", RESOURCE_EXHAUSTED) == ATTEMPTS
    starts = [request.started for request in world.upstream.requests[first:]]
    assert all(later - earlier >= 0.69 for earlier, later in pairwise(starts))


async def test_row_14_a_wait_repeats_no_other_code(world: World) -> None:
    """A delay does not make a client retry a status code that its policy does not name."""
    before = world.upstream.requests_seen
    world.upstream.script("status 429 retry-after-ms=700")
    async with retrying_stub(world.app.address, UNAVAILABLE) as stub:
        _, error = await failure_of(stub.Send(pb.Message(content=PROMPT)))
    assert error.code() is RESOURCE_EXHAUSTED
    assert retry_delay_of(error) == 0.7
    assert world.upstream.requests_seen == before + 1


async def test_row_35_says_the_same_to_grpcs_own_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call with a RetryInfo has the same delay in its pushback."""
    async with open_world(monkeypatch, max_streams=1, max_queue=0) as world:
        world.upstream.script("barrier held; answer")
        first = asyncio.create_task(world.ended(world.send()))
        await world.upstream.barrier("held").reached()
        _, error = await world.ended(world.send())
        world.upstream.barrier("held").release()
        await first
        assert error is not None
        delay = retry_delay_of(error)
        assert delay
        assert pushback_of(error) == str(round(delay * 1000))
