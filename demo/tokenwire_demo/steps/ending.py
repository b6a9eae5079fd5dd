"""Steps that end the response. A plan without one ends with `eof`."""

from dataclasses import dataclass
from typing import Final, Literal

from tokenwire_demo.exchange import Exchange
from tokenwire_demo.log import Outcome
from tokenwire_demo.step import Kind, Step, step

_STRAY_BODY: Final = (
    b'data: {"id":"stray","choices":[{"index":0,"delta":{"content":"stray"},'
    b'"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)
_EVENTS: Final = b"content-type: text/event-stream\r\n"
_STRAY: Final = {
    "response": b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b"
    % (_EVENTS, len(_STRAY_BODY), _STRAY_BODY),
    "timeout": b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    "head": b"HTTP/1.1 200 OK\r\n%b\r\n" % _EVENTS,
}
"""Data that belongs to no request, by name."""


@step("eof", Kind.ENDING)
@dataclass(frozen=True)
class Eof(Step):
    """The end of the HTTP response. The connection stays open for the next request."""

    async def play(self, exchange: Exchange) -> None:
        """Do nothing: `play` ends the response."""


@step("close", Kind.ENDING)
@dataclass(frozen=True)
class Close(Step):
    """Close the connection (FIN) without ending the response."""

    async def play(self, exchange: Exchange) -> Outcome:
        """Flush, then close the connection."""
        await exchange.reply.flush()
        exchange.reply.connection.close()
        return "closed"


@step("reset", Kind.ENDING)
@dataclass(frozen=True)
class Reset(Step):
    """Reset the connection (RST)."""

    async def play(self, exchange: Exchange) -> Outcome:
        """Flush, then reset the connection."""
        await exchange.reply.flush()
        exchange.reply.connection.reset()
        return "reset"


@step("stray", Kind.ENDING)
@dataclass(frozen=True)
class Stray(Step):
    """The end of the response, then a second response, a 408 or a head on the same connection."""

    what: Literal["response", "timeout", "head"] = "response"

    async def play(self, exchange: Exchange) -> Outcome:
        """End the response, then send the stray data."""
        await exchange.end()
        await exchange.reply.connection.write(_STRAY[self.what])
        return "complete"
