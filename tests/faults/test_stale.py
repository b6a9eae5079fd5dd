"""Row 50: pooled connections that have died cause no failures."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import grpc
import pytest

from support.app import MODEL
from support.helpers import reason_of, text_of
from support.keepalive_upstream import (
    CHUNKED,
    KeepAliveUpstream,
    Line,
    echo,
    keepalive_upstream,
    whole,
)
from support.world import World, open_world
from tokenwire.core import errors
from tokenwire.core.attempts import Attempts, Cause
from tokenwire.upstreams.http import pool
from tokenwire.upstreams.http.client import HttpClient
from tokenwire.upstreams.openai.endpoint import Credentials
from tokenwire.upstreams.openai.upstream import Upstream

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
SECONDS = 10.0
IDLE_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@pytest.fixture
async def raw() -> AsyncIterator[KeepAliveUpstream]:
    async with keepalive_upstream() as running:
        yield running


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch, raw: KeepAliveUpstream) -> AsyncIterator[World]:
    """A world whose upstream is `raw`, with one connection in its pool."""
    async with open_world(monkeypatch, base_url=raw.base_url) as opened:
        yield opened


async def answer_of(world: World, content: str) -> str:
    """Return the text of an answer; the call must succeed."""
    answers, error = await world.ended(world.send(content))
    assert error is None, f"{error.code()}: {error.details()}" if error else ""
    return text_of(answers)


@pytest.mark.parametrize("end", [Line.close, Line.reset])
async def test_row_50_closed_upon_the_second_request(
    world: World, raw: KeepAliveUpstream, end: Callable[[Line], None]
) -> None:
    """None of 400 calls fails if the upstream closes each connection at its second request."""

    async def behave(line: Line, content: str) -> None:
        if line.reused:
            end(line)
        else:
            await echo(line, content)

    raw.behave = behave
    before = len(raw.requests)
    for number in range(400):
        assert await answer_of(world, f"call {number}") == f"call {number}"
    await world.check(grpc.StatusCode.OK, calls=400)
    # The first call and every second call after it use a connection that dies.
    assert len(raw.requests) - before == 800


async def test_row_50_is_repeated_once(world: World, raw: KeepAliveUpstream) -> None:
    """If the new connection dies too, the call fails, and there is no further request."""

    async def behave(line: Line, _: str) -> None:
        line.reset()

    raw.behave = behave
    before = len(raw.requests)
    await failed(world, "UPSTREAM_UNREACHABLE")
    assert len(raw.requests) - before == 2
    # No connection is left to reuse, so nothing is sent again.
    await failed(world, "UPSTREAM_UNREACHABLE")
    assert len(raw.requests) - before == 3


@pytest.mark.parametrize("begun", [CHUNKED[:1], CHUNKED[:-2], b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_row_50_not_after_a_byte(world: World, raw: KeepAliveUpstream, begun: bytes) -> None:
    """After any byte of a response, the request is not sent again."""

    async def behave(line: Line, _: str) -> None:
        await line.send(begun)
        line.close()

    raw.behave = behave
    before = len(raw.requests)
    await failed(world, "UPSTREAM_UNREACHABLE")
    assert len(raw.requests) - before == 1


@pytest.mark.parametrize("end", [Line.close, Line.reset])
async def test_row_49_closed_while_idle(
    world: World, raw: KeepAliveUpstream, end: Callable[[Line], None]
) -> None:
    """A connection that the upstream closes while it is idle is not reused."""
    [line] = raw.lines
    end(line)
    async with asyncio.timeout(SECONDS):
        await line.closed.wait()
    assert await answer_of(world, "next") == "next"
    assert [len(line.requests) for line in raw.lines] == [1, 1]


async def test_row_50_an_idle_timeout_meets_a_request(world: World, raw: KeepAliveUpstream) -> None:
    """A 408 that closes a reused connection is an idle timeout, so the request is sent again."""

    async def behave(line: Line, content: str) -> None:
        await line.send(IDLE_TIMEOUT if line.reused else whole(content))
        if line.reused:
            line.close()

    raw.behave = behave
    assert await answer_of(world, "next") == "next"
    assert [len(line.requests) for line in raw.lines] == [2, 1]


@pytest.mark.parametrize("reused", [True, False])
async def test_row_13_a_timeout_of_the_request(
    world: World, raw: KeepAliveUpstream, *, reused: bool
) -> None:
    """A 408 about the request itself is UPSTREAM_TIMEOUT, and the request is not sent again."""
    if not reused:
        raw.lines[0].close()
        await raw.lines[0].closed.wait()

    timeout = IDLE_TIMEOUT.replace(b"connection: close\r\n", b"") if reused else IDLE_TIMEOUT

    async def behave(line: Line, _: str) -> None:
        await line.send(timeout)

    raw.behave = behave
    before = len(raw.requests)
    await failed(world, "UPSTREAM_TIMEOUT")
    assert len(raw.requests) - before == 1


async def failed(world: World, reason: str) -> None:
    """Check that a call fails for this reason before its first token."""
    answers, error = await world.ended(world.send())
    assert not answers
    assert error is not None
    assert (error.code(), reason_of(error)) == (UNAVAILABLE, reason)
    await world.check(UNAVAILABLE, reason)


async def test_an_idle_connection_is_not_kept_for_long(
    raw: KeepAliveUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service closes idle connections before common servers do, which is after 5 s."""
    assert pool.KEEPALIVE_SECONDS < 5
    monkeypatch.setattr(pool, "KEEPALIVE_SECONDS", 0.02)
    upstream = Upstream(raw.base_url, Credentials(), HttpClient(SECONDS, None))
    await asked(upstream)
    async with asyncio.timeout(SECONDS):
        await raw.lines[0].closed.wait()
    await upstream.aclose()


async def test_the_record_tells_of_a_stale_connection(raw: KeepAliveUpstream) -> None:
    """The record counts both requests, and lists the dead connection as STALE, not as the cause."""

    async def behave(line: Line, content: str) -> None:
        if line.reused:
            line.reset()
        else:
            await echo(line, content)

    raw.behave = behave
    upstream = Upstream(raw.base_url, Credentials(), HttpClient(SECONDS, None))
    first, second = await asked(upstream), await asked(upstream)
    assert (first.count, first.failures) == (1, [])
    assert (second.count, second.failures, second.cause) == (2, [Cause.STALE], None)
    assert not second.retries
    await upstream.aclose()


async def asked(upstream: Upstream) -> Attempts:
    """Return the record of one answer, which may fail."""
    record = Attempts()
    payload = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
    with suppress(errors.ServiceError), await upstream.open(payload, record) as events:
        while await events.read() is not None:
            pass
    return record
