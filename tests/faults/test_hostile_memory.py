"""Rows 25, 26 and 34: the memory that they take, measured in a separate server process."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from support.app import Stub
from support.helpers import collect, failure_of, reason_of
from support.process import ServerProcess
from support.raw_upstream import HEAD, raw_upstream
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

MOST_MEMORY = 10_000_000
GZIP_HEAD = HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
HELLO = pb.Message(content="hello")


class Memory:
    """The memory that a process takes from now on."""

    def __init__(self, pid: int) -> None:
        self._directory = Path(f"/proc/{pid}")
        # This resets the peak (proc(5)).
        (self._directory / "clear_refs").write_text("5")
        self._before = self._bytes("VmRSS")

    def grown(self) -> int:
        """Return the bytes by which the peak exceeds the initial memory."""
        return self._bytes("VmHWM") - self._before

    def _bytes(self, name: str) -> int:
        status = (self._directory / "status").read_text()
        match = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
        assert match
        return int(match[1]) * 1024


@asynccontextmanager
async def server(base_url: str, **settings: str) -> AsyncIterator[tuple[ServerProcess, Stub]]:
    """Run a server in front of the upstream at `base_url`; yield it and a client of it."""
    env = {"OPENAI_BASE_URL": base_url, "TOKENWIRE_LOG_LEVEL": "info"} | settings
    async with (
        ServerProcess(env=env) as process,
        grpc.aio.insecure_channel(process.address) as channel,
    ):
        stub: Stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        yield process, stub


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ("big-delta 10MB; answer", "UPSTREAM_EVENT_TOO_LARGE"),
        ("tokens 3; big-delta 10MB; answer", "UPSTREAM_EVENT_TOO_LARGE"),
        ("no-newline 300MB", "UPSTREAM_RESPONSE_TOO_LARGE"),
        ("gzip-bomb 1GB", "UPSTREAM_RESPONSE_TOO_LARGE"),
        ("gzip-bomb 1GB status=500", "UPSTREAM_ERROR"),
        ("status 500 body=flood", "UPSTREAM_ERROR"),
        ("status 400 body=flood", "UPSTREAM_REJECTED_REQUEST"),
    ],
)
async def test_rows_25_and_26_memory(upstream: DemoUpstream, plan: str, reason: str) -> None:
    """The server takes at most 10 MB for any response of the upstream."""
    async with server(upstream.base_url) as (process, stub):
        await collect(stub.Send(HELLO))
        memory = Memory(process.pid)
        upstream.script(plan)
        _, error = await failure_of(stub.Send(HELLO))
        assert reason_of(error) == reason
        assert memory.grown() < MOST_MEMORY


@pytest.mark.parametrize(
    "pieces",
    [
        (GZIP_HEAD, gzip.compress(b"\n" * 100_000_000)),
        (GZIP_HEAD, gzip.compress(b": comment"), *[b"junk" * 10_000] * 1_000),
        (GZIP_HEAD, *[gzip.compress(b"")] * 10_000),
        (b"HTTP/1.1 200 OK\r\n", *[b"x-filler: " + b"x" * 1_000 + b"\r\n"] * 30_000),
        (HEAD, b'data: {"usage":[' + b"[]," * 300_000 + b"0]}\n\n"),
        (HEAD, b'data: {"error":[' + b"[]," * 300_000 + b"0]}\n\n"),
        (HEAD, b"x" * 30_000_000),
        (HEAD, *[b": comment\n\n" * 10_000] * 300),
    ],
    ids=["lines", "junk", "members", "head", "usage", "error", "text", "comments"],
)
async def test_row_26_memory_of_odd_floods(pieces: tuple[bytes, ...]) -> None:
    """Other kinds of floods also take at most 10 MB."""
    async with raw_upstream() as raw, server(raw.base_url) as (process, stub):
        await collect(stub.Send(HELLO))
        memory = Memory(process.pid)
        raw.pieces = pieces
        await failure_of(stub.Send(HELLO))
        assert memory.grown() < MOST_MEMORY


async def test_row_34_memory_of_stalled_readers(upstream: DemoUpstream) -> None:
    """A reader that stalls during an endless answer takes at most 1.5 MB of the server."""
    readers = 50
    async with server(upstream.base_url) as (process, stub):
        await asyncio.gather(*(collect(stub.Send(HELLO)) for _ in range(readers)))
        memory = Memory(process.pid)
        upstream.script(*[f"filler 100000 {'x' * 500}"] * readers)
        stalled = [stub.Send(HELLO) for _ in range(readers)]
        await upstream.wait_for_requests(2 * readers)
        before = -1
        while (sent := sum(request.tokens_sent for request in upstream.requests)) != before:
            before = sent
            # A blocked write cannot be observed, except that the counters stop.
            await asyncio.sleep(0.5)
        assert upstream.active_requests == readers
        assert memory.grown() < readers * 1_500_000
        for call in stalled:
            call.cancel()
        await upstream.wait_until_idle()
