"""Steps that send more data than a client should accept."""

import asyncio
from dataclasses import dataclass

from tokenwire_demo.answer import Token
from tokenwire_demo.event_stream import EventStream
from tokenwire_demo.flood import gzip_pieces, pieces
from tokenwire_demo.step import Kind, Seconds, Size, Step, step


@step("comments", Kind.BODY, needs_stream=True)
@dataclass(frozen=True)
class Comments(Step):
    """COUNT comments of the event stream, or endless ones, EVERY seconds."""

    every: Seconds = 0.01
    count: int | None = None

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        sent = 0
        while self.count is None or sent < self.count:
            exchange.event(b": the simulator is still there\n\n")
            await exchange.reply.flush()
            await asyncio.sleep(self.every)
            sent += 1
        exchange.pace.resume()


@step("drip", Kind.ENDING, needs_stream=True)
@dataclass(frozen=True)
class Drip(Step):
    """Endless tokens, one EVERY seconds."""

    every: Seconds = 0.01
    word: str = "drip"

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        while True:
            await exchange.send_tokens([Token(f" {self.word}")])
            await exchange.reply.flush()
            await asyncio.sleep(self.every)


@step("big-delta", Kind.BODY, needs_stream=True)
@dataclass(frozen=True)
class BigDelta(Step):
    """One delta whose text has SIZE bytes."""

    size: Size = 10_000_000

    async def play(self, exchange: EventStream) -> None:
        """Send the data in pieces."""
        before, after = exchange.around_text()
        exchange.reply.add(before)
        for piece in pieces(self.size):
            exchange.reply.add(piece)
            await exchange.reply.flush_and_yield()
        exchange.reply.add_event(after)


@step("no-newline", Kind.BODY, needs_stream=True)
@dataclass(frozen=True)
class NoNewline(Step):
    """One line of SIZE bytes without an end."""

    size: Size = 300_000_000

    async def play(self, exchange: EventStream) -> None:
        """Send the data in pieces."""
        exchange.open_stream()
        exchange.reply.add(b"data: ")
        for piece in pieces(self.size - len(b"data: ")):
            exchange.reply.add(piece)
            await exchange.reply.flush_and_yield()


@step("gzip-bomb", Kind.WHOLE, needs_stream=True)
@dataclass(frozen=True)
class GzipBomb(Step):
    """A response with STATUS whose gzip body decompresses to SIZE bytes."""

    size: Size = 1_000_000_000
    status: int = 200

    async def play(self, exchange: EventStream) -> None:
        """Send the data in pieces."""
        exchange.open_stream(self.status, {"content-encoding": "gzip"})
        for piece in gzip_pieces(b"data: ", self.size):
            exchange.reply.add(piece)
            await exchange.reply.flush_and_yield()
