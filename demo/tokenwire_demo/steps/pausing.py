"""Steps that send nothing: they wait, or change how the rest is sent."""

import asyncio
from dataclasses import dataclass

from tokenwire_demo.exchange import Exchange
from tokenwire_demo.reply import LineEnds, Writes
from tokenwire_demo.step import Kind, Seconds, Step, step


@step("wait", Kind.SETTING)
@dataclass(frozen=True)
class Wait(Step):
    """Wait so many seconds."""

    seconds: Seconds

    async def play(self, exchange: Exchange) -> None:
        """Wait, with everything sent that came before."""
        await exchange.reply.flush()
        await asyncio.sleep(self.seconds)
        exchange.pace.resume()


@step("barrier", Kind.SETTING)
@dataclass(frozen=True)
class BarrierStep(Step):
    """Wait until a test releases the barrier of this name; nobody can from a command line."""

    name: str

    async def play(self, exchange: Exchange) -> None:
        """Wait, with everything sent that came before."""
        await exchange.reply.flush()
        await exchange.barrier(self.name).wait()
        exchange.pace.resume()


@step("stall", Kind.ENDING)
@dataclass(frozen=True)
class Stall(Step):
    """Send nothing more and keep the connection open until the client closes it."""

    async def play(self, exchange: Exchange) -> None:
        """Wait for ever, with everything sent that came before."""
        await exchange.reply.flush()
        await asyncio.get_running_loop().create_future()


@step("pace", Kind.SETTING)
@dataclass(frozen=True)
class PaceStep(Step):
    """From here on this time to first token (from the request) and this pace (0: no limit)."""

    time_to_first_token: Seconds | None = None
    tokens_per_second: float | None = None

    async def play(self, exchange: Exchange) -> None:
        """Set it."""
        exchange.pace.set(self.time_to_first_token, self.tokens_per_second)


@step("writes", Kind.SETTING)
@dataclass(frozen=True)
class WritesStep(Step):
    """How the rest is cut into socket writes and HTTP chunks; see below."""

    writes: Writes

    async def play(self, exchange: Exchange) -> None:
        """Set it."""
        await exchange.reply.flush()
        exchange.reply.writes = self.writes


@step("line-ends", Kind.SETTING)
@dataclass(frozen=True)
class LineEndsStep(Step):
    """How the lines of the events from here on end."""

    line_ends: LineEnds

    async def play(self, exchange: Exchange) -> None:
        """Set it."""
        exchange.reply.line_ends = self.line_ends
