"""Rows 25 and 26: an upstream that sends more than anybody can want."""

import json

import grpc
import pytest

from faults.world import World
from helpers import text_of

INTERNAL = grpc.StatusCode.INTERNAL
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

MOST_MEMORY = 10_000_000

HALF_AN_EVENT = 'data: {"choices":[{"delta":{"content":"'
"""Begins as an event does; what follows it is its text."""


@pytest.mark.parametrize("before", ["", "tokens 3; "])
@pytest.mark.parametrize("writes", ["auto", "batch"])
async def test_row_25_big_delta(world: World, before: str, writes: str) -> None:
    """A delta of 10 MB is over the limit of an event, and the text before it has arrived."""
    plan = f"writes {writes}; {before}barrier sent; big-delta 10MB; answer"
    world.upstream.barrier("sent").release()
    answers, _ = await world.fails(plan, INTERNAL, "UPSTREAM_EVENT_TOO_LARGE")
    assert len(text_of(answers).split()) == (3 if before else 0)


async def test_row_25_big_event_of_many_lines(world: World) -> None:
    """An event whose lines are small is over the limit all the same, once it is large."""
    lines = "data: 0123456789\n" * 100
    plan = "; ".join([f"raw {json.dumps(lines)}"] * 1000)
    await world.fails(f"headers; {plan}", INTERNAL, "UPSTREAM_EVENT_TOO_LARGE")


async def test_row_25_a_large_event_is_no_fault(world: World) -> None:
    """An event below the limit arrives whole."""
    answers = await world.succeeds("big-delta 1000000; finish; usage; done")
    assert text_of(answers) == "x" * 1_000_000


@pytest.mark.parametrize(
    "plan",
    [
        "no-newline 300MB",
        f"raw {json.dumps(HALF_AN_EVENT)}; no-newline 300MB",
        'raw ": "; no-newline 300MB',
        "gzip-bomb 1GB",
    ],
    ids=["line", "event", "comment", "gzip"],
)
@pytest.mark.parametrize("before", ["", "tokens 3; "])
async def test_row_26_endless_line(world: World, plan: str, before: str) -> None:
    """A line without end, compressed or not, is a response that is too large."""
    if plan.startswith("gzip"):
        before = ""
    await world.fails(before + plan, INTERNAL, "UPSTREAM_RESPONSE_TOO_LARGE")


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        ("400", INTERNAL, "UPSTREAM_REJECTED_REQUEST"),
        ("401", grpc.StatusCode.FAILED_PRECONDITION, "UPSTREAM_AUTH_REJECTED"),
        ("429", grpc.StatusCode.RESOURCE_EXHAUSTED, "UPSTREAM_RATE_LIMITED"),
        ("500", UNAVAILABLE, "UPSTREAM_ERROR"),
    ],
)
async def test_row_26_huge_error_body(
    world: World, status: str, code: grpc.StatusCode, reason: str
) -> None:
    """A huge error body changes nothing: the status decides, compressed or not."""
    await world.fails(f"status {status} body=flood", code, reason)
    await world.fails(f"gzip-bomb 1GB status={status}", code, reason)
