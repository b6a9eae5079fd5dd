"""Steps that send tool calls, right or wrong."""

from dataclasses import dataclass
from itertools import pairwise

from tokenwire_demo.answer_format import spaced_json
from tokenwire_demo.exchange import Exchange
from tokenwire_demo.request import CompletionRequest
from tokenwire_demo.step import Kind, Step, step
from tokenwire_demo.tools import Call

MAX_CALLS = 1_000
MAX_PIECES = 1_000


@step("calls", Kind.BODY)
@dataclass(frozen=True)
class Calls(Step):
    """The tool calls of the answer, if it has any; their arguments in pieces."""

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        await exchange.send_calls(exchange.answer.calls)


@step("tool-calls", Kind.BODY)
@dataclass(frozen=True)
class ToolCalls(Step):
    """COUNT parallel calls of the request's tools in turn, whatever it says about their use."""

    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_CALLS:
            raise ValueError(f"count must be from 1 to {MAX_CALLS}, not {self.count}")

    def check(self, request: CompletionRequest) -> None:
        """Check that arguments can be made for the tools."""
        self._calls(request)

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        await exchange.send_calls(self._calls(exchange.request))

    def _calls(self, request: CompletionRequest) -> tuple[Call, ...]:
        tools, earlier = request.toolbox, request.earlier_calls
        return tools.in_turn(self.count, request.prompt, earlier=earlier)


@step("tool-call", Kind.BODY)
@dataclass(frozen=True)
class ToolCallStep(Step):
    """A call of TOOL with ARGUMENTS, JSON or any text, whole or in PIECES after its beginning."""

    tool: str = "lookup"
    arguments: object = "{}"
    index: int = 0
    id: str = "call_demo"
    pieces: int = 0

    def __post_init__(self) -> None:
        if self.pieces > MAX_PIECES:
            raise ValueError(f"pieces must be at most {MAX_PIECES}, not {self.pieces}")

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        given = self.arguments
        text = given if isinstance(given, str) else spaced_json(given)
        call = Call(self.tool, text, self.id, self.index)
        await exchange.send_call(call, _pieces(text, self.pieces))


@step("tool-arguments", Kind.BODY)
@dataclass(frozen=True)
class ToolArguments(Step):
    """A further piece of the arguments of the call with this INDEX."""

    text: str
    index: int = 0

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        exchange.add_arguments(self.index, self.text)


def _pieces(text: str, count: int) -> list[str]:
    """Return a text in `count` pieces, or in single characters if it has fewer."""
    parts = min(count, len(text))
    bounds = [len(text) * at // parts for at in range(parts + 1)] if parts else []
    return [text[start:end] for start, end in pairwise(bounds)]
