"""An HTTP client that returns responses as they are on the wire."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tokenwire_demo import DemoUpstream


class RawClient:
    """One connection to a demo upstream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(
        self, plan: str | None = None, *, stream: bool = True, text: str = "hello", **fields: Any
    ) -> None:
        """Send a chat-completion request, with the plan in its header."""
        messages = [{"role": "user", "content": text}]
        body = json.dumps({"model": "m", "messages": messages, "stream": stream, **fields})
        headers = {"content-length": str(len(body))} | ({"x-demo-plan": plan} if plan else {})
        lines = [
            "POST /v1/chat/completions HTTP/1.1",
            "host: demo",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        await self.send("\r\n".join([*lines, "", body]).encode())

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        """Read the status and the headers."""
        status_line, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        pairs = (line.split(": ", 1) for line in lines if line)
        return int(status_line.split()[1]), dict(pairs)

    async def chunk(self) -> bytes:
        """Read one HTTP chunk; the last one is empty."""
        size = int(await self.reader.readline(), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def chunks(self) -> list[bytes]:
        """Read the body's chunks to its end."""
        chunks = []
        while chunk := await self.chunk():
            chunks.append(chunk)
        return chunks

    async def body(self) -> bytes:
        """Read the head and the whole chunked body."""
        await self.head()
        return b"".join(await self.chunks())

    async def events(self) -> list[Any]:
        """Read the head and the body, and decode the data of each event."""
        return decode(await self.body())

    def reset(self) -> None:
        """Reset the connection."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()


def decode(body: bytes) -> list[Any]:
    """Decode the data of each event; [DONE] stays text."""
    payloads = [one.removeprefix("data: ") for one in body.decode().split("\n\n") if one]
    return [one if one == "[DONE]" else json.loads(one) for one in payloads]


def text_of(events: list[Any]) -> str:
    """Join the text of the events' deltas."""
    choices = [one["choices"][0] for one in events if one != "[DONE]" and one.get("choices")]
    return "".join((choice["delta"] or {}).get("content") or "" for choice in choices)


@asynccontextmanager
async def connect(upstream: DemoUpstream) -> AsyncIterator[RawClient]:
    """Open a new connection."""
    url = urlsplit(upstream.base_url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()


async def play(upstream: DemoUpstream, plan: str, **fields: Any) -> bytes:
    """Return the whole body of the response to a plan that completes."""
    async with connect(upstream) as client:
        await client.ask(plan, **fields)
        return await client.body()


async def ask_whole(upstream: DemoUpstream, plan: str) -> httpx2.Response:
    """Return the response to a request that does not stream."""
    async with httpx2.AsyncClient() as client:
        return await client.post(
            f"{upstream.base_url}/chat/completions",
            json={"model": "m", "messages": [{"role": "user", "content": "hello"}]},
            headers={"x-demo-plan": plan},
        )


def deltas(body: bytes) -> list[Any]:
    """Return the delta of each chunk; each chunk must have a choice."""
    return [one["choices"][0]["delta"] for one in decode(body) if one != "[DONE]"]
