"""Writes an HTTP response: the head, the framing of the body, and its division into writes."""

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal

from tokenwire_demo.connection import Connection

SERVER = "tokenwire-demo-upstream (simulator)"
Writes = Literal["auto", "event", "batch", "byte", "split-utf8"]
LineEnds = Literal["lf", "crlf", "cr"]

_FULL = 16_384
_LINE_ENDS: dict[LineEnds, bytes] = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}
_EVENT = re.compile(rb".+?(?:\n\n|\r\n\r\n|\r\r|\Z)", re.DOTALL)
# Each piece starts at a continuation byte, which splits every multi-byte character.
_SPLIT_CHARACTERS = re.compile(rb"[\x80-\xbf][^\x80-\xbf]*|[^\x80-\xbf]+")


class Reply:
    """Writes a response.

    `flush` writes the buffered bytes of the body as one socket write and one HTTP chunk, or
    divided as `writes` says.

    Args:
        connection: The connection to write to.
        chunked: Whether the client supports the chunked transfer encoding. Otherwise the end of
            the connection ends the body.
    """

    def __init__(self, connection: Connection, *, chunked: bool) -> None:
        self.connection = connection
        self.writes: Writes = "auto"
        self.line_ends: LineEnds = "lf"
        self.opened = False
        self._chunked = chunked
        self._head = b""
        self._body = bytearray()

    def open(
        self,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        """Begin the response with the status line and the headers.

        Args:
            status: The HTTP status code.
            headers: Headers in addition to the default ones, or in place of them. Names are in
                lower case.
            length: The length of the body in bytes, if known.
        """
        if length is not None:
            framing = {"content-length": str(length)}
        else:
            framing = {"transfer-encoding": "chunked"} if self._chunked else {"connection": "close"}
        self._chunked = "transfer-encoding" in framing
        lines = [f"HTTP/1.1 {status} {_phrase(status)}"]
        lines += [
            f"{n}: {v}" for n, v in ({"server": SERVER} | framing | dict(headers or {})).items()
        ]
        self._head = "\r\n".join([*lines, "", ""]).encode("utf-8")
        self.opened = True

    def add_event(self, event: bytes) -> None:
        """Add a server-sent event with LF line ends."""
        if self.line_ends != "lf":
            event = event.replace(b"\n", _LINE_ENDS[self.line_ends])
        self._body += event

    def add(self, data: bytes) -> None:
        """Add bytes to the body unchanged."""
        self._body += data

    async def flush_if_due(self) -> None:
        """Flush if the buffer is full, or if each event is written by itself."""
        if self.writes in ("event", "byte", "split-utf8") or (
            self.writes == "auto" and len(self._body) >= _FULL
        ):
            await self.flush_and_yield()

    async def flush_pending(self) -> None:
        """Flush pending bytes, unless all events are written together."""
        if self.writes != "batch" and (self._head or self._body):
            await self.flush()

    async def flush_and_yield(self) -> None:
        """Flush, then yield to the event loop, for loops that otherwise never yield."""
        await self.flush()
        await asyncio.sleep(0)

    async def flush(self) -> None:
        """Write the buffered bytes."""
        await self._write(last=b"")

    async def end(self) -> None:
        """Write the buffered bytes and the end of the body."""
        await self._write(last=b"0\r\n\r\n" if self._chunked else b"")

    async def _write(self, last: bytes) -> None:
        head, body = self._head, bytes(self._body)
        self._head = b""
        self._body.clear()
        match self.writes:
            case "byte":
                pieces = [body[at : at + 1] for at in range(len(body))]
            case "event":
                pieces = _EVENT.findall(body)
            case "split-utf8":
                pieces = _SPLIT_CHARACTERS.findall(body)
            case _:
                if whole := head + self._frame(body) + last:
                    await self.connection.write(whole)
                return
        for data in filter(None, [head, *map(self._frame, pieces), last]):
            await self.connection.write(data)
            # Lets a client in the same process read each piece by itself.
            await asyncio.sleep(0)

    def _frame(self, data: bytes) -> bytes:
        if not data:
            return b""
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
