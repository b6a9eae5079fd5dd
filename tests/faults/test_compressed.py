"""Row 26: responses that are compressed although the request did not ask for it."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.helpers import reason_of, text_of
from support.raw_upstream import RawUpstream, raw_upstream
from support.world import World, open_world
from tokenwire.upstreams.http.inflate import PART_BYTES, inflater

INTERNAL = grpc.StatusCode.INTERNAL


def event(text: str) -> bytes:
    chunk = {"choices": [{"delta": {"content": text}}]}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


FINISH = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
ANSWER = event("Zoë ") + event("日本 ") + event("🙂") + FINISH + DONE


def answer_with(
    raw: RawUpstream, *body: bytes | asyncio.Event, encoding: str, status: str = "200 OK"
) -> None:
    """Make the upstream answer with this body and this content encoding."""
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: text/event-stream\r\n"
        f"content-encoding: {encoding}\r\nconnection: close\r\n\r\n"
    )
    raw.pieces = (head.encode(), *body)


@pytest.fixture
async def raw() -> AsyncIterator[RawUpstream]:
    async with raw_upstream() as upstream:
        yield upstream


@pytest.fixture
async def world(raw: RawUpstream, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with open_world(monkeypatch, base_url=raw.base_url) as opened:
        yield opened


async def text_from(world: World) -> str:
    answers, error = await world.ended(world.send())
    assert error is None
    await world.check(grpc.StatusCode.OK)
    return text_of(answers)


async def failure_from(world: World, code: grpc.StatusCode, reason: str) -> None:
    _, error = await world.ended(world.send())
    assert error
    assert (error.code(), reason_of(error)) == (code, reason)
    await world.check(code, reason)


def flushed(*parts: bytes) -> list[bytes]:
    """Compress like a proxy that flushes after each event."""
    stream = zlib.compressobj(wbits=31)
    pieces = [stream.compress(part) + stream.flush(zlib.Z_SYNC_FLUSH) for part in parts]
    return [*pieces, stream.flush()]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "deflate"])
async def test_row_26_honest_compression(world: World, raw: RawUpstream, encoding: str) -> None:
    """A compressed answer is decompressed, whether it arrives in one piece or byte by byte."""
    packed = zlib.compress(ANSWER) if encoding == "deflate" else gzip.compress(ANSWER)
    for body in ([packed], [packed[at : at + 1] for at in range(len(packed))]):
        answer_with(raw, *body, encoding=encoding)
        assert await text_from(world) == "Zoë 日本 🙂"


async def test_row_26_each_event_compressed_at_once(world: World, raw: RawUpstream) -> None:
    """An event that was flushed by itself is delivered before the next one arrives."""
    first, *others = flushed(event("first"), event(" second"), FINISH)
    rest = asyncio.Event()
    answer_with(raw, first, rest, *others, encoding="gzip")
    call = world.send()
    assert text_of([await anext(answers := aiter(call))]) == "first"
    rest.set()
    assert text_of([answer async for answer in answers]) == " second"
    await world.check(grpc.StatusCode.OK)


async def test_row_26_several_members(world: World, raw: RawUpstream) -> None:
    """A gzip body of several members is one answer."""
    members = b"".join(gzip.compress(part) for part in (ANSWER[:20], b"", ANSWER[20:], b""))
    answer_with(raw, members, encoding="gzip")
    assert await text_from(world) == "Zoë 日本 🙂"
    answer_with(raw, *(members[at : at + 7] for at in range(0, len(members), 7)), encoding="gzip")
    assert await text_from(world) == "Zoë 日本 🙂"


async def test_row_26_cut_off_compression(world: World, raw: RawUpstream) -> None:
    """A truncated compressed body is UPSTREAM_TRUNCATED, or OK if it has the finish reason."""
    answer_with(raw, *flushed(event("half"), FINISH)[:1], encoding="gzip")
    await failure_from(world, grpc.StatusCode.ABORTED, "UPSTREAM_TRUNCATED")
    answer_with(raw, *flushed(event("whole"), FINISH)[:2], encoding="gzip")
    assert await text_from(world) == "whole"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "aws-chunked", "gzip", "deflate"])
async def test_row_26_unreadable_compression(world: World, raw: RawUpstream, encoding: str) -> None:
    """An unknown content encoding, or a body that does not match it, is a protocol error."""
    answer_with(raw, ANSWER, encoding=encoding)
    await failure_from(world, INTERNAL, "UPSTREAM_PROTOCOL_ERROR")


async def test_row_26_junk_after_compression(world: World, raw: RawUpstream) -> None:
    """Data of any size after the compressed body fails the call and is not buffered."""
    answer_with(raw, gzip.compress(event("half")), b"junk" * 1_000_000, encoding="gzip")
    await failure_from(world, INTERNAL, "UPSTREAM_PROTOCOL_ERROR")


async def test_row_26_compressed_error_body(world: World, raw: RawUpstream) -> None:
    """The body of an error is decompressed to find its reason."""
    body = json.dumps({"error": {"code": "context_length_exceeded"}}).encode()
    answer_with(raw, gzip.compress(body), status="400 Bad Request", encoding="gzip")
    await failure_from(world, grpc.StatusCode.INVALID_ARGUMENT, "PROMPT_TOO_LONG")


@pytest.mark.parametrize(
    ("bomb", "ending"),
    [
        (b"\n" * 64_000_000, (INTERNAL, "UPSTREAM_RESPONSE_TOO_LARGE")),
        (b": comment\n\n" * 6_000_000, (INTERNAL, "UPSTREAM_RESPONSE_TOO_LARGE")),
        (b"data: {}\n\n" * 600_000, (grpc.StatusCode.UNAVAILABLE, "UPSTREAM_TRUNCATED")),
    ],
    ids=["lines", "comments", "events"],
)
async def test_row_26_bomb_of_nothing(
    world: World, raw: RawUpstream, bomb: bytes, ending: tuple[grpc.StatusCode, str]
) -> None:
    """A bomb without a long line fails too, and the server answers other calls meanwhile."""
    sent = asyncio.Event()
    # The body is small enough for one read, so only decompression can yield to other calls.
    answer_with(raw, gzip.compress(bomb), sent, encoding="gzip")
    call = asyncio.ensure_future(world.ended(world.send()))
    health: Any = health_pb2_grpc.HealthStub(world.channel)
    for _ in range(3):
        await health.Check(health_pb2.HealthCheckRequest())
    assert not call.done()
    sent.set()
    _, error = await call
    assert error
    assert (error.code(), reason_of(error)) == ending
    await world.check(*ending)


@pytest.mark.parametrize("size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES])
def test_row_26_all_that_arrived_is_unpacked(size: int) -> None:
    """The decompressor returns all data that its input so far contains, in bounded parts."""
    stream = zlib.compressobj(level=9, wbits=31)
    packed = stream.compress(b"x" * size) + stream.flush(zlib.Z_SYNC_FLUSH)
    inflate = inflater("gzip")
    assert inflate
    parts = list(inflate(packed))
    assert b"".join(parts) == b"x" * size
    assert max(map(len, parts)) <= PART_BYTES
