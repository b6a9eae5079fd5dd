"""A minimal HTTP/2 client, which sends what no correct gRPC client would send."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW_SIZE = 4
TRUE_BINARY = 0xFE03
"""gRPC's own setting."""
CANCEL = 8

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
MAX_FRAME_BYTES = 16_384
WINDOW_BYTES = 65_535
"""The initial flow-control window of a stream, in bytes."""


class Connection:
    """One connection to a gRPC server.

    Attributes:
        reader: The received bytes, including the frame headers.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    async def send(self, *frames: bytes) -> None:
        """Send all these frames at once."""
        self._writer.write(b"".join(frames))
        await self._writer.drain()

    async def status(self, code: int) -> None:
        """Return once a call has ended with this status code; headers arrive as plain text."""
        await self.reader.readuntil(b"grpc-status" + _text(str(code)))

    async def frames(self) -> AsyncIterator[tuple[int, int, bytes]]:
        """Yield the type, the stream and the payload of each frame until the connection ends."""
        with suppress(asyncio.IncompleteReadError):
            while True:
                yield _parts(await _read_frame(self.reader))

    async def was_reset(self) -> int:
        """Return the stream that the server resets next; other frames are discarded."""
        while True:
            kind, stream, _ = _parts(await _read_frame(self.reader))
            if kind == RST_STREAM:
                return stream


@asynccontextmanager
async def connect(address: str, window: int = WINDOW_BYTES) -> AsyncIterator[Connection]:
    """Connect; leaving the block drops the connection.

    Args:
        address: The HOST:PORT of the server.
        window: The number of bytes that the server may send on each stream.
    """
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    setting = INITIAL_WINDOW_SIZE.to_bytes(2, "big") + window.to_bytes(4, "big")
    writer.write(PREFACE + _frame(SETTINGS, 0, 0, setting) + _frame(SETTINGS, ACK, 0, b""))
    frames = asyncio.StreamReader()
    answering = asyncio.create_task(_answer_pings(reader, writer, frames))
    try:
        yield Connection(frames, writer)
    finally:
        answering.cancel()
        writer.transport.abort()


def true_binary() -> bytes:
    """Return the frame that lets the server send binary metadata without base64."""
    return _frame(SETTINGS, 0, 0, TRUE_BINARY.to_bytes(2, "big") + (1).to_bytes(4, "big"))


def call(
    stream: int,
    method: str = "/openai.Chatgpt/Send",
    encoding: str = "identity",
    *,
    end: bool = False,
) -> bytes:
    """Return the headers that begin a call; `stream` is odd and higher than all before it.

    With `end`, the caller sends nothing after them.
    """
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": method,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        "grpc-encoding": encoding,
    }
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())
    return _frame(HEADERS, END_HEADERS | end * END_STREAM, stream, block)


def message(
    stream: int,
    data: bytes,
    *,
    compressed: bool = False,
    length: int | None = None,
    end: bool = True,
) -> bytes:
    """Return a message of a call.

    Args:
        stream: The stream of the call.
        data: The message.
        compressed: Whether the message is marked as compressed.
        length: The length to announce instead of the actual one.
        end: Whether the caller sends nothing after it.
    """
    size = len(data) if length is None else length
    body = bytes((compressed,)) + size.to_bytes(4, "big") + data
    assert len(body) <= WINDOW_BYTES
    starts = range(0, len(body), MAX_FRAME_BYTES)
    parts = [body[start : start + MAX_FRAME_BYTES] for start in starts]
    *frames, last = [_frame(DATA, 0, stream, part) for part in parts]
    return b"".join(frames) + last[:4] + bytes((end * END_STREAM,)) + last[5:]


def reset(stream: int) -> bytes:
    """Return the frame that cancels a call."""
    return _frame(RST_STREAM, 0, stream, CANCEL.to_bytes(4, "big"))


def more_window(stream: int, size: int = WINDOW_BYTES) -> bytes:
    """Return the frame that lets the server send `size` more bytes of a call."""
    return _frame(WINDOW_UPDATE, 0, stream, size.to_bytes(4, "big"))


async def _answer_pings(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, frames: asyncio.StreamReader
) -> None:
    """Forward all frames, and answer pings to keep the server from dropping the connection."""
    try:
        while True:
            frame = await _read_frame(reader)
            kind, _, payload = _parts(frame)
            if kind == PING and not frame[4] & ACK:
                writer.write(_frame(PING, ACK, 0, payload))
            frames.feed_data(frame)
    except (asyncio.IncompleteReadError, ConnectionError):
        frames.feed_eof()


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(HEAD_BYTES)
    return head + await reader.readexactly(int.from_bytes(head[:3], "big"))


def _parts(frame: bytes) -> tuple[int, int, bytes]:
    """Return the type, the stream and the payload of a frame."""
    return frame[3], int.from_bytes(frame[5:HEAD_BYTES], "big"), frame[HEAD_BYTES:]


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload


def _text(text: str) -> bytes:
    # Longer texts have a different encoding.
    assert len(text) < 127
    return bytes((len(text),)) + text.encode(errors="surrogateescape")
