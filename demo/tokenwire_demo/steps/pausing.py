"""Steps that send nothing: they wait, or change how later steps send."""

import asyncio
from dataclasses import dataclass

from tokenwire_demo.exchange import Exchange
from tokenwire_demo.reply import LineEnds, Writes
from tokenwire_demo.step import Kind, Seconds, Step, step


@step("wait", Kind.SETTING)
@dataclass(frozen=True)
class Wait(Step):
    """Wait SECONDS."""

    seconds: Seconds

    async def play(self, exchange: Exchange) -> None:
        """Flush, then wait."""
        await exchange.reply.flush()
        await asyncio.sleep(self.seconds)
        exchange.pace.resume()


@step("barrier", Kind.SETTING)
@dataclass(frozen=True)
class BarrierStep(Step):
    """Wait until a test releases the barrier NAME. The command line cannot release barriers."""

    name: str

    async def play(self, exchange: Exchange) -> None:
        """Flush, then wait."""
        await exchange.reply.flush()
        await exchange.barrier(self.name).wait()
        exchange.pace.resume()


@step("stall", Kind.ENDING)
@dataclass(frozen=True)
class Stall(Step):
    """Send nothing more. The connection stays open until the client closes it."""

    async def play(self, exchange: Exchange) -> None:
        """Flush, then wait without an end."""
        await exchange.reply.flush()
        await asyncio.get_running_loop().create_future()


@step("pace", Kind.SETTING)
@dataclass(frozen=True)
class PaceStep(Step):
    """Set the time from the request to the first token, and the pace (0: no limit)."""

    time_to_first_token: Seconds | None = None
    tokens_per_second: float | None = None

    async def play(self, exchange: Exchange) -> None:
        """Apply the setting."""
        exchange.pace.set(self.time_to_first_token, self.tokens_per_second)


@step("writes", Kind.SETTING)
@dataclass(frozen=True)
class WritesStep(Step):
    """Set how later data is divided into socket writes and HTTP chunks; see below."""

    writes: Writes

    async def play(self, exchange: Exchange) -> None:
        """Apply the setting."""
        await exchange.reply.flush()
        exchange.reply.writes = self.writes


@step("line-ends", Kind.SETTING)
@dataclass(frozen=True)
class LineEndsStep(Step):
    """Set the line ends of later events."""

    line_ends: LineEnds

    async def play(self, exchange: Exchange) -> None:
        """Apply the setting."""
        exchange.reply.line_ends = self.line_ends
