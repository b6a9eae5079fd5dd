"""The log and a metric contain the cause of a failed upstream connection, from a fixed list."""

import asyncio
import errno
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import grpc
import pytest

from support.helpers import reason_of
from support.listening import listening
from support.raw_upstream import ANSWER, HEAD, raw_upstream
from support.world import CANARY, KEY, World, open_world
from tokenwire.core.attempts import Cause
from tokenwire.upstreams.http.causes import cause_of

UNREACHABLE = "UPSTREAM_UNREACHABLE"


def entry_of(world: World) -> dict[str, Any]:
    """Return the log entry of the latest call."""
    lines = map(json.loads, world.log.getvalue().splitlines())
    entry: dict[str, Any] = [line for line in lines if line["event"] == "call ended"][-1]
    return entry


async def fails_by(world: World, cause: Cause, reason: str = UNREACHABLE) -> dict[str, Any]:
    """Check that a call fails, and that the log and the metric have `cause`; return the entry."""
    counter = f'tokenwire_upstream_connection_failures_total{{cause="{cause.value}"}}'
    before = value_of(world, counter)
    answers, error = await world.ended(world.send())
    assert error is not None
    assert reason_of(error) == reason
    assert cause.value not in f"{error.details()} {error.trailing_metadata()}"
    await world.check(error.code(), reason)
    entry = entry_of(world)
    assert entry["cause"] == cause.value
    assert value_of(world, counter) == before + 1
    assert bool(answers) == (reason == "UPSTREAM_STREAM_BROKEN")
    return entry


def value_of(world: World, series: str) -> float:
    """Return the value of a series, which must exist."""
    [value] = [
        line.rpartition(" ")[2]
        for line in world.metrics().splitlines()
        if line.startswith(f"{series} ")
    ]
    return float(value)


@asynccontextmanager
async def refusing() -> AsyncIterator[str]:
    """A port that refuses connections."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """A port whose connections are never accepted."""
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())
        yield f"127.0.0.1:{full.getsockname()[1]}"


@asynccontextmanager
async def nowhere() -> AsyncIterator[str]:
    """A host name that does not exist."""
    yield f"{CANARY}.invalid"


@asynccontextmanager
async def plaintext() -> AsyncIterator[str]:
    """A server that does not speak TLS."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listening(answer) as (host, port):
        yield f"{host}:{port}"


@pytest.mark.parametrize(
    ("place", "scheme", "cause"),
    [
        (refusing, "http", Cause.REFUSED),
        (silent, "http", Cause.CONNECT_TIMEOUT),
        (nowhere, "http", Cause.DNS),
        (plaintext, "https", Cause.TLS),
    ],
)
async def test_a_connection_that_is_not_made(
    monkeypatch: pytest.MonkeyPatch, place: Any, scheme: str, cause: Cause
) -> None:
    """The log and the metric have the cause of a failed connect, and no request was sent."""
    async with place() as host:
        base_url = f"{scheme}://{host}/{CANARY}-host/v1"
        async with open_world(monkeypatch, base_url=base_url, connect_timeout_seconds=0.5) as world:
            entry = await fails_by(world, cause)
            assert entry["attempts"] == 0
            assert "upstream_status" not in entry


@pytest.mark.parametrize(
    ("pieces", "cause", "reason"),
    [
        ((), Cause.EOF, UNREACHABLE),
        ((b"this is not HTTP\r\n\r\n",), Cause.NOT_HTTP, UNREACHABLE),
        ((HEAD[:20],), Cause.EOF, UNREACHABLE),
        (
            (HEAD.replace(b"connection: close", b"content-length: 9999"), ANSWER[:400]),
            Cause.EOF,
            "UPSTREAM_STREAM_BROKEN",
        ),
    ],
)
async def test_a_connection_that_ends(
    monkeypatch: pytest.MonkeyPatch, pieces: Any, cause: Cause, reason: str
) -> None:
    """The log and the metric have the cause of an early end, before and within the response."""
    async with raw_upstream() as raw, open_world(monkeypatch, base_url=raw.base_url) as world:
        raw.pieces = pieces
        entry = await fails_by(world, cause, reason)
        assert entry["attempts"] == 1


@pytest.mark.parametrize("plan", ["reset", "tokens 3; reset"])
async def test_a_reset(world: World, plan: str) -> None:
    """The cause of a reset connection is RESET, not EOF."""
    await world.succeeds("tokens 1; finish; close")
    world.upstream.script(plan)
    await fails_by(
        world, Cause.RESET, "UPSTREAM_STREAM_BROKEN" if "tokens" in plan else UNREACHABLE
    )


async def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the proxy rejects the connection, the cause is PROXY."""
    async with raw_upstream() as proxy:
        host = proxy.base_url.split("/")[2]
        proxy.pieces = (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",)
        # A CONNECT request has no body.
        monkeypatch.setattr("support.raw_upstream._read_body", read_nothing)
        async with open_world(
            monkeypatch, base_url="https://upstream.test/v1", proxy=f"http://{host}"
        ) as world:
            await fails_by(world, Cause.PROXY)


async def read_nothing(*_: object, **__: bool) -> bytes:
    """Read the body of a request that has none."""
    return b""


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.ENETUNREACH, Cause.NO_ROUTE),
        (errno.EHOSTUNREACH, Cause.NO_ROUTE),
        (errno.EADDRNOTAVAIL, Cause.NO_LOCAL_ADDRESS),
        (errno.ENFILE, Cause.DESCRIPTORS),
        (errno.ENOBUFS, Cause.MEMORY),
        (errno.ETIMEDOUT, Cause.CONNECT_TIMEOUT),
        (errno.EXDEV, Cause.OTHER),
    ],
)
def test_the_systems_errors_have_their_cause(number: int, cause: Cause) -> None:
    """Each error number of the system has its cause."""
    key: Any = None
    assert cause_of(aiohttp.ClientConnectorError(key, OSError(number, "x")), None) is cause


def test_of_several_addresses_the_failure_that_says_most_is_told() -> None:
    """If IPv6 is unavailable and IPv4 is refused, the cause is REFUSED."""
    key: Any = None
    both = OSError("Multiple exceptions: [Errno 99] Cannot assign, [Errno 111] Connect call failed")
    assert cause_of(aiohttp.ClientConnectorError(key, both), None) is Cause.REFUSED


@pytest.mark.parametrize(
    "header", ["x-request-id", "request-id", "apim-request-id", "x-amzn-requestid"]
)
async def test_a_rejection_leaves_status_and_id(
    monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    """The log entry has the upstream's status and response id."""
    async with raw_upstream() as raw, open_world(monkeypatch, base_url=raw.base_url) as world:
        head = f"HTTP/1.1 503 Away\r\n{header}: req_4711\r\ncontent-length: 0\r\n\r\n"
        raw.pieces = (head.encode(),)
        _, error = await world.ended(world.send())
        assert error is not None
        assert "4711" not in f"{error.details()} {error.trailing_metadata()}"
        await world.check(grpc.StatusCode.UNAVAILABLE, "UPSTREAM_ERROR")
        entry = entry_of(world)
        assert (entry["upstream_status"], entry["upstream_request_id"]) == (503, "req_4711")
        assert entry["attempts"] == 1
        assert "cause" not in entry


@pytest.mark.parametrize(
    "value", ["two words", "x" * 129, "naïve", f"id-{KEY}", "\x01", ""], ids=repr
)
async def test_what_is_no_id_is_dropped(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A response id that is long, contains the key or has unexpected characters is not logged."""
    async with raw_upstream() as raw, open_world(monkeypatch, base_url=raw.base_url) as world:
        head = f"HTTP/1.1 503 Away\r\nx-request-id: {value}\r\ncontent-length: 0\r\n\r\n"
        raw.pieces = (head.encode(),)
        await world.ended(world.send())
        await world.check(grpc.StatusCode.UNAVAILABLE, "UPSTREAM_ERROR")
        assert "upstream_request_id" not in entry_of(world)


async def test_attempts_are_counted(saved_up: World) -> None:
    """The log entry counts a retry as an attempt, and has the status of the last attempt."""
    saved_up.upstream.script("status 503")
    await saved_up.succeeds("answer")
    entry = entry_of(saved_up)
    assert (entry["attempts"], entry["upstream_status"]) == (2, 200)
