"""Steps that send irregular events."""

from dataclasses import dataclass

from tokenwire_demo.chunks import ErrorPayload, encode_json, event
from tokenwire_demo.event_stream import EventStream
from tokenwire_demo.step import Kind, Step, step

_ERROR_MESSAGE = "the demo upstream was told to fail"


@step("error", Kind.BODY, needs_stream=True)
@dataclass(frozen=True)
class Error(Step):
    """An event with OpenAI's error object."""

    message: str = _ERROR_MESSAGE
    code: str = ""
    error_type: str = "server_error"

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        error = ErrorPayload(self.message, type=self.error_type, code=self.code or None)
        exchange.error(error, named=False)


@step("error-event", Kind.BODY, needs_stream=True)
@dataclass(frozen=True)
class ErrorEvent(Step):
    """The same object in an event of the type error (`event: error`)."""

    message: str = _ERROR_MESSAGE
    code: str = ""
    error_type: str = "server_error"

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        error = ErrorPayload(self.message, type=self.error_type, code=self.code or None)
        exchange.error(error, named=True)


@step("empty-choices", Kind.BODY, needs_stream=True, needs_chunks=True)
@dataclass(frozen=True)
class EmptyChoices(Step):
    """A chunk with `"choices": []`."""

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        exchange.event(exchange.encoder.chunk(choices=[]))


@step("null-choices", Kind.BODY, needs_stream=True, needs_chunks=True)
@dataclass(frozen=True)
class NullChoices(Step):
    """A chunk with `"choices": null`."""

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        exchange.event(exchange.encoder.chunk(choices=None))


@step("null-delta", Kind.BODY, needs_stream=True, needs_chunks=True)
@dataclass(frozen=True)
class NullDelta(Step):
    """A chunk with `"delta": null`."""

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        exchange.event(exchange.encoder.delta(None))


@step("null-content", Kind.BODY, needs_stream=True, needs_chunks=True)
@dataclass(frozen=True)
class NullContent(Step):
    """A chunk with `"delta": {"content": null}`."""

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        exchange.event(exchange.encoder.delta({"content": None}))


@step("null-usage", Kind.BODY, needs_stream=True, needs_chunks=True)
@dataclass(frozen=True)
class NullUsage(Step):
    """A chunk with `"choices": [], "usage": null`."""

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        exchange.event(exchange.encoder.chunk(choices=[], usage=None))


@step("bad-json", Kind.BODY, needs_stream=True)
@dataclass(frozen=True)
class BadJson(Step):
    """An event whose data is half a JSON object."""

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        exchange.event(event(b'{"choices":[{"index":0,"delta":{"content":"unfin'))


@step("non-object", Kind.BODY, needs_stream=True)
@dataclass(frozen=True)
class NonObject(Step):
    """An event whose data is a JSON list."""

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        exchange.event(event(b'["not","an","object"]'))


@step("invalid-utf8", Kind.BODY, needs_stream=True)
@dataclass(frozen=True)
class InvalidUtf8(Step):
    """A delta whose text contains the bytes FF FE."""

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        before, after = exchange.around_text()
        exchange.event(before + b"\xff\xfe" + after)


@step("lone-surrogate", Kind.BODY, needs_stream=True)
@dataclass(frozen=True)
class LoneSurrogate(Step):
    r"""A delta whose JSON text is `\ud800`, a lone surrogate."""

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        before, after = exchange.around_text()
        exchange.event(before + rb"\ud800" + after)


@step("data", Kind.BODY, needs_stream=True)
@dataclass(frozen=True)
class Data(Step):
    """An event with DATA: a JSON object or array, or a text that is sent unchanged."""

    data: object

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        as_it_is = isinstance(self.data, str)
        exchange.event(event(_bytes(str(self.data)) if as_it_is else encode_json(self.data)))


@step("raw", Kind.BODY, needs_stream=True)
@dataclass(frozen=True)
class Raw(Step):
    """TEXT in the body, unchanged and without an event."""

    text: str

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        exchange.open_stream()
        exchange.reply.add(_bytes(self.text))


def _bytes(text: str) -> bytes:
    """Encode as UTF-8. Lone surrogates become bytes that are invalid in UTF-8."""
    return text.encode("utf-8", "surrogatepass")
