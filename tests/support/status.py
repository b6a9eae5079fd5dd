"""Servers that tell a status of our own."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from tokenwire.observability.status import CallerStatus, LimitStatus, ProcessStatus


def caller_status(name: str, limits: Mapping[str, tuple[float, float]]) -> CallerStatus:
    """Return the status of a caller.

    Args:
        name: Its name.
        limits: What is used of each limit, and the most of it.
    """
    return CallerStatus(
        name,
        [
            LimitStatus(limit, used, amount, round(used / amount, 4))
            for limit, (used, amount) in limits.items()
        ],
    )


def process_status(
    *callers: CallerStatus, worker: int | None = None, store: str | None = None
) -> ProcessStatus:
    """Return the status of a process with callers."""
    return ProcessStatus(
        version="1",
        worker=worker,
        uptime_seconds=1.0,
        state="serving",
        streams=0,
        max_streams=1,
        queued=0,
        file_usable=True,
        models=[],
        upstreams=[],
        limit_store=store,
        callers=[*callers],
    )


@asynccontextmanager
async def serving_status(*callers: CallerStatus) -> AsyncIterator[str]:
    """Serve the status of one process with callers, and yield the address."""
    async with serving_bytes(msgspec.json.encode([process_status(*callers)])) as address:
        yield address


@asynccontextmanager
async def serving_bytes(body: bytes, status: str = "200 OK") -> AsyncIterator[str]:
    """Run an HTTP server with one response for every request, and yield its address."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"
