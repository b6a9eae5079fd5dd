"""Steps that end the response; where a plan has none, its end is `eof`."""

from dataclasses import dataclass

from tokenwire.demo.exchange import Exchange
from tokenwire.demo.log import Outcome
from tokenwire.demo.step import Kind, Step, step


@step("eof", Kind.ENDING)
@dataclass(frozen=True)
class Eof(Step):
    """The proper end of the HTTP response; the connection stays open for the next request."""

    async def play(self, exchange: Exchange) -> None:
        """Do nothing: the end of every plan that did not end otherwise is this."""


@step("close", Kind.ENDING)
@dataclass(frozen=True)
class Close(Step):
    """Close the connection (FIN) without ending the response."""

    async def play(self, exchange: Exchange) -> Outcome:
        """Close, with everything sent that came before."""
        await exchange.reply.flush()
        exchange.reply.connection.close()
        return "closed"


@step("reset", Kind.ENDING)
@dataclass(frozen=True)
class Reset(Step):
    """Reset the connection (RST)."""

    async def play(self, exchange: Exchange) -> Outcome:
        """Reset, with everything sent that came before."""
        await exchange.reply.flush()
        exchange.reply.connection.reset()
        return "reset"
