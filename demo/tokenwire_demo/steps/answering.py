"""Steps of a regular answer."""

from dataclasses import asdict, dataclass, replace
from itertools import repeat

from tokenwire_demo.answer import Token, tokenize
from tokenwire_demo.exchange import Exchange
from tokenwire_demo.step import Kind, Step, step


@step("answer", Kind.BODY)
@dataclass(frozen=True)
class AnswerStep(Step):
    """The rest of a regular answer: `rest; calls; finish`, `usage` if requested, `done`."""

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        await Rest().play(exchange)
        await exchange.send_calls(exchange.answer.calls)
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
    """The next COUNT tokens of the reasoning and the answer, one event each, at the pace."""

    count: int

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        await exchange.send_tokens(exchange.next_tokens(self.count))


@step("rest", Kind.BODY)
@dataclass(frozen=True)
class Rest(Step):
    """The remaining tokens of the reasoning and the answer."""

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
        await exchange.send_tokens(repeat(Token(f" {self.word}"), self.count))


@step("text", Kind.BODY)
@dataclass(frozen=True)
class Text(Step):
    """One delta with TEXT."""

    text: str

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        await exchange.send_tokens([Token(self.text)])


@step("refusal", Kind.BODY)
@dataclass(frozen=True)
class Refusal(Step):
    """TEXT as refusal deltas, one event per token."""

    text: str = "I am a simulator and decline to answer this."

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        await exchange.send_tokens(Token(each, "refusal") for each in tokenize(self.text))


@step("reasoning", Kind.BODY)
@dataclass(frozen=True)
class ReasoningStep(Step):
    """TEXT as reasoning deltas, one event per token. vLLM and DeepSeek use this FIELD."""

    text: str = "A simulator does not reason."
    field: str = "reasoning_content"

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        await exchange.send_tokens(Token(each, self.field) for each in tokenize(self.text))


@step("finish", Kind.BODY)
@dataclass(frozen=True)
class Finish(Step):
    """The chunk with the finish reason; by default the actual one: stop, length or tool_calls."""

    reason: str = ""

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        exchange.finish(self.reason or exchange.finish_reason)


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
