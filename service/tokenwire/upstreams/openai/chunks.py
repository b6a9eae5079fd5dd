"""Decodes chat-completion chunks into text and the completion."""

from typing import Final

import msgspec

from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.domain import (
    Completion,
    Delta,
    FinishReason,
    Stage,
    TokenLogprob,
    ToolCall,
    Usage,
)
from tokenwire.core.errors import (
    ServiceError,
    UpstreamProtocolError,
    UpstreamTruncated,
)
from tokenwire.upstreams.answer_names import name_of
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.http.event_runs import Run
from tokenwire.upstreams.leading_blank import LeadingBlank
from tokenwire.upstreams.openai.chat_state import StateCollector
from tokenwire.upstreams.openai.chunk import Chunk, MessageDelta
from tokenwire.upstreams.openai.citations import CitationReader
from tokenwire.upstreams.openai.error_body import decode_json
from tokenwire.upstreams.openai.finish_reasons import finish_reason
from tokenwire.upstreams.openai.irregular_chunks import decode_irregular, reasoning_of
from tokenwire.upstreams.openai.logprobs import read_logprobs
from tokenwire.upstreams.openai.rejection import MAX_ERROR_BYTES, error_in_answer, is_error
from tokenwire.upstreams.openai.text_templates import TextTemplate, TextTemplates, decode_texts
from tokenwire.upstreams.openai.tool_call_pieces import tool_call_pieces
from tokenwire.upstreams.openai.usage import read_usage
from tokenwire.upstreams.tool_call_assembler import ToolCallAssembler

NULL_BYTES: Final = len("null")
EMPTY_ERRORS: Final = (b"null", b"{}", b"[]", b'""', b"false", b"0")


_decode: Final = msgspec.json.Decoder(Chunk).decode


def decode(event: Event) -> Chunk:
    """Return the chunk in an event.

    Raises:
        ServiceError: The event reports an error.
        UpstreamProtocolError: The data is not a chunk in valid UTF-8.
    """
    if event.name == b"error":
        raise error_in_answer(event.data)
    try:
        # Validates UTF-8 also in the values that the decoder skips.
        event.data.decode()
        try:
            chunk = _decode(event.data)
        except msgspec.ValidationError:
            chunk = decode_irregular(event.data)
    except (ValueError, RecursionError):
        if not event.data.strip():
            # Some upstreams keep the connection alive with empty events.
            return Chunk()
        raise UpstreamProtocolError from None
    if chunk.error and bytes(chunk.error) not in EMPTY_ERRORS:
        raise error_in_answer(event.data)
    if (
        chunk.choices is None
        and len(event.data) <= MAX_ERROR_BYTES
        and is_error(decode_json(event.data))
    ):
        raise error_in_answer(event.data)
    return chunk


def _is_part_of_text(delta: MessageDelta, reasoning: str) -> bool:
    """Return whether a delta without text belongs to the text, as a part of a character does."""
    return delta.content is not None and not reasoning and len(delta.tool_calls) <= NULL_BYTES


class ChunkReader:
    """Accumulates the chunks of one answer; see `reader.AnswerReader`.

    A finish reason completes the text. If more text follows, the text is incomplete again until
    the next finish reason.

    Args:
        codec: Encodes what the upstream needs back of an answer with tool calls; None if the
            request has no tools. With tools, leading white space is held back until other text
            arrives, and dropped if the answer has tool calls and no other text.
        with_logprobs: Whether the request asks for log probabilities.
        in_pieces: Whether the request asks for pieces of tool calls.
    """

    ended = False
    """The stream's last event, which is not a chunk, is found by `ResponseEvents`."""
    finds_runs = True
    """Whether chunks that differ only in their text may be read in runs."""

    def __init__(
        self,
        codec: StateCodec | None = None,
        *,
        with_logprobs: bool = False,
        in_pieces: bool = False,
    ) -> None:
        self._in_pieces = in_pieces
        self.calls: tuple[ToolCall, ...] = ()
        self.stage: Stage | None = None
        self._with_logprobs = with_logprobs
        self.logprobs: tuple[TokenLogprob, ...] = ()
        self._codec = codec
        self._state = StateCollector() if codec else None
        self._blank = LeadingBlank(holding=codec is not None)
        self.complete = False
        self.texts = 0
        self.others = 0
        self.reasoning = ""
        self.deferred_error: ServiceError | None = None
        self.templates = TextTemplates() if self.finds_runs and not with_logprobs else None
        self._tool_calls: ToolCallAssembler | None = None
        self._tool_error: ServiceError | None = None
        self._citations: CitationReader | None = None
        self._refused = False
        self._finish_reason: str | None = None
        self.usage: Usage | None = None
        self._model = ""
        self._id = ""

    def add(self, event: Event) -> str:  # noqa: C901, PLR0912 - runs for each token
        """Add an event and return its text, which may be empty; see `reader.AnswerReader`."""
        chunk = decode(event)
        # Most upstreams send `null` in every chunk but the last.
        if len(chunk.usage) > NULL_BYTES:
            self.usage = read_usage(chunk.usage) or self.usage
        elif chunk.x_groq:
            self.usage = read_usage(chunk.x_groq.usage) or self.usage
        self._model = chunk.model or self._model
        self._id = chunk.id or self._id
        self.reasoning = ""
        self.logprobs = ()
        self.calls = ()
        if chunk.citations or chunk.search_results:
            self._citations = self._citations or CitationReader()
            self._citations.add_lists(chunk)
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        if choice.usage and len(chunk.usage) <= NULL_BYTES:
            self.usage = read_usage(choice.usage) or self.usage
        delta = choice.delta or choice.message
        text = ""
        if delta:
            text = delta.content or delta.refusal or ""
            self.reasoning = delta.reasoning_content or delta.reasoning or ""
            if delta.reasoning_details and not self.reasoning:
                self.reasoning = reasoning_of(delta.reasoning_details)
            if self.reasoning:
                self.others += 1
                self.stage = self.stage if self.texts else Stage.THINKING
            if self._with_logprobs and (text or _is_part_of_text(delta, self.reasoning)):
                self.logprobs = read_logprobs(choice.logprobs)
            if self._state and (self.reasoning or delta.reasoning_details):
                self._state.add(delta, self.reasoning)
            if delta.refusal:
                self._refused = True
            if delta.tool_calls or delta.function_call:
                self._add_tool_calls(delta)
            if delta.annotations:
                self._citations = self._citations or CitationReader()
                self._citations.add_encoded(bytes(delta.annotations))
        if text and self._blank.holding:
            text = self._blank.add(text)
            self.others += 1
        if text:
            self.texts += 1
            if self.complete:
                self._resume()
        if choice.finish_reason:
            self._finish_reason = choice.finish_reason
            self.complete = True
        return text

    def add_run(self, run: Run) -> str | None:
        """Add a run of events and return their text; see `reader.AnswerReader`."""
        template = run.template
        if self.complete or self._blank.holding or not isinstance(template, TextTemplate):
            return None
        text = decode_texts(run)
        if text is None:
            return None
        self._model = template.model or self._model
        self._id = template.id or self._id
        self.reasoning = ""
        self.logprobs = ()
        self.calls = ()
        self.texts += len(run.values)
        return text

    def _add_tool_calls(self, delta: MessageDelta) -> None:
        if self._tool_calls is None:
            self._tool_calls = ToolCallAssembler(in_pieces=self._in_pieces)
        try:
            pieces = tool_call_pieces(delta, self._codec)
            for piece in pieces:
                self._tool_calls.add(piece)
        except ServiceError as error:
            # Also if a finish reason has arrived: a call is incomplete.
            self._tool_error = error
            raise
        self.others += bool(pieces)
        self.calls = self._tool_calls.take()

    def _resume(self) -> None:
        self.complete = False
        if self.deferred_error:
            raise self.deferred_error

    def end(self) -> tuple[list[Delta], Completion]:
        """Return the deltas that remain and the completion; see `reader.AnswerReader`."""
        if self._finish_reason is None:
            raise UpstreamTruncated
        reason = finish_reason(self._finish_reason)
        if self._tool_error:
            raise self._tool_error
        deltas = [Delta(text) for text in self._blank.rest()]
        has_calls = bool(self._tool_calls)
        if self._tool_calls:
            deltas = [Delta("", tool_calls=(call,)) for call in self._tool_calls.finish()]
            reason = FinishReason.TOOL_CALLS
        return deltas, Completion(
            reason,
            self.usage,
            name_of(self._model),
            name_of(self._id),
            self._citations.finish() if self._citations else (),
            self._refused,
            self._encoded_state(has_calls=has_calls),
        )

    def _encoded_state(self, *, has_calls: bool) -> bytes:
        if self._codec is None or self._state is None:
            return b""
        return self._codec.encode(self._state.fields(has_calls=has_calls))
