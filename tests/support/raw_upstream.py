"""An upstream that responds with exactly the given bytes, including the HTTP headers."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from support.listening import listening

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"

RESET_ON_CLOSE = struct.pack("ii", 1, 0)

READ_BYTES = 1 << 16

ANSWER = (
    b'data: {"id":"a-1","object":"chat.completion.chunk","created":1,"model":"raw-model",'
    b'"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
    b'data: {"id":"a-1","model":"raw-model","choices":[{"index":0,"delta":{"content":"Gr\xc3\xbc"},'
    b'"finish_reason":null}]}\n\n'
    b": a comment\n\n"
    b'data: {"id":"a-1","choices":[{"index":0,"delta":{"content":"\xf0\x9f\x99\x82\\n"}}]}\n\n'
    b'data: {"id":"a-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"a-1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
    b"data: [DONE]\n\n"
)
"""A valid answer with as many variations as possible."""


@dataclass(frozen=True)
class Pause:
    """A piece that pauses for `seconds`, as a slow model does."""

    seconds: float


class Reset:
    """A piece that resets the connection."""


Piece: TypeAlias = bytes | asyncio.Event | Pause | Reset


class RawUpstream:
    """Answers the first request of each connection, then closes the connection.

    Attributes:
        base_url: The base URL for the server's settings.
        pieces: The pieces of the response. Bytes are written one piece at a time; the response
            waits at an event until the event is set.
        requests: The number of requests received.
        keep_body: Whether `body` is set, which takes as much memory as the request.
        body: The body of the latest request.
        head: The request line and the headers of the latest request.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self.pieces: Iterable[Piece] = (HEAD, ANSWER)
        self.requests = 0
        self.keep_body = False
        self.body = b""
        self.head = b""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.head = await reader.readuntil(b"\r\n\r\n")
        self.body = await _read_body(reader, self.head, keep=self.keep_body)
        self.requests += 1
        for piece in self.pieces:
            if isinstance(piece, asyncio.Event):
                await piece.wait()
                continue
            if isinstance(piece, Pause):
                await asyncio.sleep(piece.seconds)
                continue
            if isinstance(piece, Reset):
                reset(writer)
                return
            writer.write(piece)
            await writer.drain()
            # Lets the other side run, so that it receives the pieces one by one.
            await asyncio.sleep(0)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with a reset."""
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        writer.transport.abort()


async def _read_body(reader: asyncio.StreamReader, head: bytes, *, keep: bool) -> bytes:
    [length] = [
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    body = bytearray()
    while length:
        # In pieces, so that a large request never blocks the event loop for long.
        part = await reader.read(min(length, READ_BYTES))
        if not part:
            raise asyncio.IncompleteReadError(part, length)
        length -= len(part)
        if keep:
            body += part
    return bytes(body)


@asynccontextmanager
async def raw_upstream() -> AsyncIterator[RawUpstream]:
    """Listen on a free port."""
    upstream = RawUpstream()
    async with listening(upstream.answer) as (host, port):
        upstream.base_url = f"http://{host}:{port}/v1"
        yield upstream
