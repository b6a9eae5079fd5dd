"""Steps of an answer as a well-behaved server sends it."""

from dataclasses import asdict, dataclass, replace
from itertools import repeat

from tokenwire_demo.answer import tokenize
from tokenwire_demo.exchange import EventStream, Exchange
from tokenwire_demo.step import Kind, Step, step


@step("answer", Kind.BODY)
@dataclass(frozen=True)
class AnswerStep(Step):
    """The well-behaved remainder: `rest; finish`, `usage` if the client asked for it, `done`."""

    async def play(self, exchange: Exchange) -> None:
        """Send it."""
        await Rest().play(exchange)
        await Finish().play(exchange)
        if exchange.request.include_usage or not exchange.request.stream:
            await UsageStep().play(exchange)
        await Done().play(exchange)


@step("role", Kind.BODY)
@dataclass(frozen=True)
class Role(Step):
    """The first chunk, with the role and no text; sent by itself before the first token."""

    async def play(self, exchange: Exchange) -> None:
        """Send it."""
        exchange.open()


@step("tokens", Kind.BODY)
@dataclass(frozen=True)
class Tokens(Step):
    """The next COUNT tokens of the answer, one event each, at the set pace."""

    count: int

    async def play(self, exchange: Exchange) -> None:
        """Send them."""
        await exchange.say(exchange.next_tokens(self.count))


@step("rest", Kind.BODY)
@dataclass(frozen=True)
class Rest(Step):
    """All tokens of the answer that are left."""

    async def play(self, exchange: Exchange) -> None:
        """Send them."""
        await exchange.say(exchange.next_tokens())


@step("filler", Kind.BODY)
@dataclass(frozen=True)
class Filler(Step):
    """COUNT tokens of filler text (the word WORD), at the set pace: answers of any length."""

    count: int
    word: str = "filler"

    async def play(self, exchange: Exchange) -> None:
        """Send them."""
        await exchange.say(repeat(f" {self.word}", self.count))


@step("text", Kind.BODY)
@dataclass(frozen=True)
class Text(Step):
    """One delta with exactly this text."""

    text: str

    async def play(self, exchange: Exchange) -> None:
        """Send it."""
        await exchange.say([self.text])


@step("refusal", Kind.BODY)
@dataclass(frozen=True)
class Refusal(Step):
    """This text as refusal deltas, one event per token."""

    text: str = "I am a simulator and decline to answer this."

    async def play(self, exchange: Exchange) -> None:
        """Send it."""
        await exchange.say(tokenize(self.text), field="refusal")


@step("reasoning", Kind.BODY)
@dataclass(frozen=True)
class Reasoning(Step):
    """This text as reasoning deltas, one event per token, in FIELD as vLLM and DeepSeek do."""

    text: str = "A simulator does not reason."
    field: str = "reasoning_content"

    async def play(self, exchange: Exchange) -> None:
        """Send it."""
        await exchange.say(tokenize(self.text), field=self.field)


@step("tool-call", Kind.BODY, needs_stream=True)
@dataclass(frozen=True)
class ToolCall(Step):
    """A delta that calls the tool of this name."""

    tool: str = "lookup"

    async def play(self, exchange: EventStream) -> None:
        """Send it."""
        call = {
            "index": 0,
            "id": "call_demo",
            "type": "function",
            "function": {"name": self.tool, "arguments": "{}"},
        }
        exchange.open()
        exchange.event(exchange.encoder.delta({"tool_calls": [call]}))


@step("finish", Kind.BODY)
@dataclass(frozen=True)
class Finish(Step):
    """The chunk with the finish reason; without a REASON the true one, stop or length."""

    reason: str = ""

    async def play(self, exchange: Exchange) -> None:
        """Send it."""
        exchange.finish(self.reason or exchange.answer.finish_reason)


@step("usage", Kind.BODY)
@dataclass(frozen=True)
class UsageStep(Step):
    """The chunk with the usage, asked for or not; without values the true counts."""

    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None
    reasoning: int | None = None

    async def play(self, exchange: Exchange) -> None:
        """Send it."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        exchange.usage(replace(exchange.usage_so_far, **given))


@step("done", Kind.BODY)
@dataclass(frozen=True)
class Done(Step):
    """The event `data: [DONE]`; the body stays open until the plan ends."""

    async def play(self, exchange: Exchange) -> None:
        """Send it."""
        exchange.done()
