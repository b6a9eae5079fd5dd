"""Steps of a regular answer."""

from dataclasses import asdict, dataclass, replace
from itertools import repeat

from tokenwire_demo.answer import tokenize
from tokenwire_demo.exchange import EventStream, Exchange
from tokenwire_demo.step import Kind, Step, step


@step("answer", Kind.BODY)
@dataclass(frozen=True)
class AnswerStep(Step):
    """The rest of a regular answer: `rest; finish`, `usage` if the client requests it, `done`."""

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        await Rest().play(exchange)
        await Finish().play(exchange)
        if exchange.request.include_usage or not exchange.request.stream:
            await UsageStep().play(exchange)
        await Done().play(exchange)


@step("role", Kind.BODY)
@dataclass(frozen=True)
class RoleStep(Step):
    """The first chunk, with the role and no text. By default, it precedes the first token."""

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        exchange.open()


@step("tokens", Kind.BODY)
@dataclass(frozen=True)
class Tokens(Step):
    """The next COUNT tokens of the answer, one event each, at the pace."""

    count: int

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        await exchange.send_tokens(exchange.next_tokens(self.count))


@step("rest", Kind.BODY)
@dataclass(frozen=True)
class Rest(Step):
    """The remaining tokens of the answer."""

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        await exchange.send_tokens(exchange.next_tokens())


@step("filler", Kind.BODY)
@dataclass(frozen=True)
class Filler(Step):
    """COUNT tokens of filler text, each the word WORD, at the pace."""

    count: int
    word: str = "filler"

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        await exchange.send_tokens(repeat(f" {self.word}", self.count))


@step("text", Kind.BODY)
@dataclass(frozen=True)
class Text(Step):
    """One delta with TEXT."""

    text: str

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        await exchange.send_tokens([self.text])


@step("refusal", Kind.BODY)
@dataclass(frozen=True)
class Refusal(Step):
    """TEXT as refusal deltas, one event per token."""

    text: str = "I am a simulator and decline to answer this."

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        await exchange.send_tokens(tokenize(self.text), field="refusal")


@step("reasoning", Kind.BODY)
@dataclass(frozen=True)
class ReasoningStep(Step):
    """TEXT as reasoning deltas, one event per token. vLLM and DeepSeek use this FIELD."""

    text: str = "A simulator does not reason."
    field: str = "reasoning_content"

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        await exchange.send_tokens(tokenize(self.text), field=self.field)


@step("tool-call", Kind.BODY, needs_stream=True)
@dataclass(frozen=True)
class ToolCallStep(Step):
    """A delta with a call of TOOL. ARGUMENTS is the JSON of an object, as a JSON string."""

    tool: str = "lookup"
    arguments: str = "{}"
    index: int = 0
    id: str = "call_demo"

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        call = {
            "index": self.index,
            "id": self.id,
            "type": "function",
            "function": {"name": self.tool, "arguments": self.arguments},
        }
        exchange.tool_call(call)


@step("finish", Kind.BODY)
@dataclass(frozen=True)
class Finish(Step):
    """The chunk with the finish reason; by default the actual one, stop or length."""

    reason: str = ""

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        exchange.finish(self.reason or exchange.answer.finish_reason)


@step("usage", Kind.BODY)
@dataclass(frozen=True)
class UsageStep(Step):
    """The chunk with the usage, requested or not; by default the actual counts."""

    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None
    reasoning: int | None = None

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        exchange.usage(replace(exchange.usage_so_far, **given))


@step("done", Kind.BODY)
@dataclass(frozen=True)
class Done(Step):
    """The event `data: [DONE]`. The body stays open until the plan ends."""

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        exchange.done()
