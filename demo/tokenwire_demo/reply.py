"""One HTTP response: head, body framing, and how the bytes are cut into writes."""

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
# Each piece starts at a continuation byte, so every multi-byte character is torn apart.
_TORN = re.compile(rb"[\x80-\xbf][^\x80-\xbf]*|[^\x80-\xbf]+")


class Reply:
    """Writes one response.

    Body bytes are collected and go out by `flush`: as one socket write and one HTTP
    chunk, or cut up as `writes` says.

    Args:
        connection: Where to write.
        chunked: Whether the client understands chunked transfer-encoding; where it does
            not, the end of the connection ends the body.
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
        """Put the status line and the headers before the body.

        Args:
            status: The HTTP status code.
            headers: Sent besides, or instead of, the usual ones; names in lower case.
            length: The body's length in bytes where it is known.
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
        """Add a server-sent event, given with LF line ends."""
        if self.line_ends != "lf":
            event = event.replace(b"\n", _LINE_ENDS[self.line_ends])
        self._body += event

    def add(self, data: bytes) -> None:
        """Add bytes to the body as they are."""
        self._body += data

    async def relieve(self) -> None:
        """Flush if it is time to: nothing needs the bytes out at once."""
        if self.writes in ("event", "byte", "split-utf8") or (
            self.writes == "auto" and len(self._body) >= _FULL
        ):
            await self.flush_and_yield()

    async def hurry(self) -> None:
        """Flush what waits, unless all events are to go out together."""
        if self.writes != "batch" and (self._head or self._body):
            await self.flush()

    async def flush_and_yield(self) -> None:
        """Flush, then let others run: for loops that otherwise never pause."""
        await self.flush()
        await asyncio.sleep(0)

    async def flush(self) -> None:
        """Write everything collected so far."""
        await self._write(last=b"")

    async def end(self) -> None:
        """Write what is left and the end of the body."""
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
                pieces = _TORN.findall(body)
            case _:
                if whole := head + self._frame(body) + last:
                    await self.connection.write(whole)
                return
        for data in filter(None, [head, *map(self._frame, pieces), last]):
            await self.connection.write(data)
            # Gives a client in the same process the chance to read each piece alone.
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
