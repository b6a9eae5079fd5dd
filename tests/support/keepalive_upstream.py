"""An upstream that keeps connections alive, and misbehaves on them as a test defines."""

import asyncio
import json
import select
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from support.listening import listening
from support.raw_upstream import reset

CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"


class Line:
    """One connection, as the upstream sees it.

    Attributes:
        number: The number of connections before it.
        requests: The contents of the last messages of its requests.
        closed: Set once the other side has closed the connection.
    """

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self.requests: list[str] = []
        self.closed = asyncio.Event()
        self._reader = reader
        self._writer = writer

    @property
    def reused(self) -> bool:
        """Whether the connection had a request before the current one."""
        return len(self.requests) > 1

    def is_asked(self) -> bool:
        """Report whether any byte of another request has arrived."""
        sock = self._writer.get_extra_info("socket")
        if sock is None or self._writer.is_closing():
            return False
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(self._reader._buffer or poll.poll(0))  # type: ignore[attr-defined] # there is no other way to know

    async def read_request(self) -> str:
        """Return the content of the next request's last message.

        Raises:
            ConnectionError, asyncio.IncompleteReadError: The other side has left.
        """
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        body = json.loads(await self._reader.readexactly(length))
        content: str = body["messages"][-1]["content"]
        self.requests.append(content)
        return content

    def write(self, data: bytes) -> None:
        """Pass bytes to the kernel, immediately if it accepts them."""
        self._writer.write(data)

    async def send(self, data: bytes) -> None:
        """Write bytes so that the other side reads them separately from later ones."""
        self._writer.write(data)
        await self._writer.drain()
        await asyncio.sleep(0.001)

    def close(self) -> None:
        """Close the connection normally."""
        self._writer.close()

    def reset(self) -> None:
        """Close the connection with a reset."""
        reset(self._writer)


Behaviour: TypeAlias = Callable[[Line, str], Awaitable[None]]
"""Answers one request on a connection, given the content of its last message."""


class KeepAliveUpstream:
    """Answers each request with the content of its last message.

    Attributes:
        base_url: The base URL for the server's settings.
        behave: Answers each request.
        lines: All connections so far on which a request arrived, in order.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self.behave: Behaviour = echo
        self.lines: list[Line] = []

    @property
    def requests(self) -> list[str]:
        """The contents of the requests on all connections."""
        return [content for line in self.lines for content in line.requests]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the requests of one connection."""
        line = Line(len(self.lines), reader, writer)
        try:
            content = await line.read_request()
            self.lines.append(line)
            while not writer.is_closing():
                await self.behave(line, content)
                content = await line.read_request()
        finally:
            line.closed.set()


def events(content: str) -> bytes:
    """Return the events of an answer, except those that end it."""
    chunk = {"id": "k", "model": "m", "choices": [{"index": 0, "delta": {"content": content}}]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def chunk(data: bytes) -> bytes:
    """Return data as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole(content: str) -> bytes:
    """Return a chunked response with an answer."""
    return CHUNKED + chunk(events(content)) + chunk(END) + LAST_CHUNK


def sized(content: str) -> bytes:
    """Return a response with an answer and a content-length header."""
    body = events(content) + END
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def echo(line: Line, content: str) -> None:
    """Answer without a fault."""
    await line.send(whole(content))


@asynccontextmanager
async def keepalive_upstream(
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[KeepAliveUpstream]:
    """Listen on a free port, with TLS if there is a context."""
    upstream = KeepAliveUpstream()
    async with listening(upstream.answer, ssl=context) as (host, port):
        upstream.base_url = f"{'https' if context else 'http'}://{host}:{port}/v1"
        yield upstream
