"""Rows 25 and 26: an upstream that sends too much data."""

import itertools
import json
import time
from collections.abc import Iterator

import grpc
import pytest

from support.helpers import reason_of, text_of
from support.raw_upstream import raw_upstream
from support.world import World, open_world
from tokenwire.upstreams.http.sse import EventReader

INTERNAL = grpc.StatusCode.INTERNAL
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

HALF_AN_EVENT = 'data: {"choices":[{"delta":{"content":"'
"""The beginning of an event, whose text follows."""


def endless(piece: bytes, start: bytes = b"") -> Iterator[bytes]:
    """Yield `start`, then `piece` without end."""
    yield start
    yield from itertools.repeat(piece)


@pytest.mark.parametrize("before", ["", "tokens 3; "])
@pytest.mark.parametrize("writes", ["auto", "batch"])
async def test_row_25_big_delta(world: World, before: str, writes: str) -> None:
    """A delta of 10 MB is UPSTREAM_EVENT_TOO_LARGE, after the text before it."""
    plan = f"writes {writes}; {before}barrier sent; big-delta 10MB; answer"
    world.upstream.barrier("sent").release()
    answers, _ = await world.fails(plan, INTERNAL, "UPSTREAM_EVENT_TOO_LARGE")
    assert len(text_of(answers).split()) == (3 if before else 0)


async def test_row_25_big_event_of_many_lines(world: World) -> None:
    """The size limit of an event also applies to many small lines."""
    lines = "data: 0123456789\n" * 100
    plan = "; ".join([f"raw {json.dumps(lines)}"] * 1000)
    await world.fails(f"headers; {plan}", INTERNAL, "UPSTREAM_EVENT_TOO_LARGE")


async def test_row_25_a_large_event_is_no_fault(world: World) -> None:
    """An event below the size limit is delivered complete."""
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
    """A line without end, compressed or not, is UPSTREAM_RESPONSE_TOO_LARGE."""
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
    """The status of a response decides the failure, however large its error body is."""
    await world.fails(f"status {status} body=flood", code, reason)
    await world.fails(f"gzip-bomb 1GB status={status}", code, reason)


async def test_row_26_endless_error_body(world: World) -> None:
    """An error body without end delays the failure by less than 2 s."""
    world.upstream.script("headers 500; comments every=0.01")
    started = time.monotonic()
    _, error = await world.ended(world.send())
    assert time.monotonic() - started < 2
    assert error
    assert (error.code(), reason_of(error)) == (UNAVAILABLE, "UPSTREAM_ERROR")
    await world.check(UNAVAILABLE, "UPSTREAM_ERROR")


@pytest.mark.parametrize(
    "pieces",
    [
        endless(b"x-filler: " + b"x" * 1000 + b"\r\n", b"HTTP/1.1 200 OK\r\n"),
        endless(b"x" * 1000, b"HTTP/1.1 200 OK\r\nx-filler: "),
        endless(b"x" * 1000, b"HTTP/1.1 200 "),
        endless(b"x" * 1000),
    ],
    ids=["headers", "header", "status", "no-http"],
)
async def test_row_26_endless_head(
    monkeypatch: pytest.MonkeyPatch, pieces: Iterator[bytes]
) -> None:
    """A response whose head does not end is UPSTREAM_UNREACHABLE."""
    async with (
        raw_upstream() as raw,
        open_world(monkeypatch, base_url=raw.base_url) as world,
    ):
        raw.pieces = pieces
        _, error = await world.ended(world.send())
        assert error
        assert (error.code(), reason_of(error)) == (UNAVAILABLE, "UPSTREAM_UNREACHABLE")
        await world.check(UNAVAILABLE, "UPSTREAM_UNREACHABLE")


@pytest.mark.parametrize("size", [7, 64])
def test_row_25_many_small_pieces(size: int) -> None:
    """The time to read a large event is not quadratic in the number of its pieces."""
    event = b"data: " + b"x" * 1_000_000 + b"\n\n"
    reader = EventReader(1 << 20, last=b"[DONE]")
    started = time.process_time()
    read = [
        each for at in range(0, len(event), size) for each in reader.feed(event[at : at + size])
    ]
    assert time.process_time() - started < 1
    assert [each.data for each in read] == [event[6:-2]]
