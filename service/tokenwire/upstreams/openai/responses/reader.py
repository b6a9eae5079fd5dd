"""Decodes the events of a response into text, reasoning, tool calls and the completion."""

from collections.abc import Callable
from typing import ClassVar, Final

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
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTruncated,
)
from tokenwire.upstreams.answer_names import name_of
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.http.event_runs import Run
from tokenwire.upstreams.leading_blank import LeadingBlank
from tokenwire.upstreams.openai.chunks import EMPTY_ERRORS
from tokenwire.upstreams.openai.citations import CitationReader
from tokenwire.upstreams.openai.finish_reasons import finish_reason
from tokenwire.upstreams.openai.irregular_chunks import encoded_name
from tokenwire.upstreams.openai.logprobs import read_logprobs
from tokenwire.upstreams.openai.responses.calls import ResponseCalls
from tokenwire.upstreams.openai.responses.errors import failure_of
from tokenwire.upstreams.openai.responses.events import (
    TEXT_DELTA,
    WHOLE_RESPONSE,
    ResponsesEvent,
    decode_event,
)
from tokenwire.upstreams.openai.responses.output import (
    OutputItem,
    ResponseObject,
    annotations_of,
    incomplete_reason,
    output_items,
    read_item,
    read_response,
    string_of,
)
from tokenwire.upstreams.openai.responses.reasoning import ResponseReasoning
from tokenwire.upstreams.openai.responses.state import ReasoningItems
from tokenwire.upstreams.openai.responses.text import ResponseText
from tokenwire.upstreams.openai.usage import read_usage

COMPLETED: Final = "completed"
INCOMPLETE: Final = "incomplete"
FAILED: Final = frozenset({"failed", "cancelled"})
UNSUCCESSFUL: Final = FAILED | {INCOMPLETE}
"""The statuses of a response that count whatever the type of its event says."""

STOP: Final = "stop"
FINISH_REASONS: Final = {"max_output_tokens": "length"}
"""Chat completions' finish reasons by the reasons why a response is incomplete."""


class ResponsesReader:
    """Accumulates the events of one response; see `reader.AnswerReader`.

    The event with the complete response ends the answer: nothing after it counts.

    Args:
        codec: Encodes what the upstream needs back of an answer with tool calls; None if the
            request has no tools. See `ChunkReader` for white space.
        with_logprobs: Whether the request asks for log probabilities.
        in_pieces: Whether the request asks for pieces of tool calls.
    """

    templates: None = None
    """Each event has a number of its own, so none is like another."""

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
        self._codec = codec
        self._with_logprobs = with_logprobs
        self.logprobs: tuple[TokenLogprob, ...] = ()
        self.complete = False
        self.ended = False
        self.texts = 0
        self.others = 0
        self.reasoning = ""
        self.deferred_error: ServiceError | None = None
        self._blank = LeadingBlank(holding=codec is not None)
        self._citations = CitationReader()
        self._text = ResponseText()
        self._reasoning = ResponseReasoning()
        self._state = ReasoningItems()
        self._calls: ResponseCalls | None = None
        self._finish_reason: str | None = None
        self.usage: Usage | None = None
        self._model = ""
        self._id = ""

    def add(self, encoded: Event) -> str:
        """Add an event and return its text, which may be empty; see `reader.AnswerReader`."""
        self.reasoning = ""
        self.logprobs = ()
        self.calls = ()
        if self.ended:
            return ""
        event = decode_event(encoded)
        if self._with_logprobs:
            self.logprobs = read_logprobs(event.logprobs)
        if event.type == TEXT_DELTA:
            text = self._text.add(event.delta or "")
        else:
            text = self._add_other(event)
            if self._calls and self._in_pieces:
                self.calls = self._calls.take()
        if text and self._blank.holding:
            text = self._blank.add(text)
            self.others += 1
        if text:
            self.texts += 1
        return text

    def add_run(self, run: Run) -> None:
        """Add nothing; see `reader.AnswerReader`."""
        del run

    def _add_other(self, event: ResponsesEvent) -> str:
        """Add an event other than a delta of text, and return its text."""
        handler = self._handlers.get(event.type)
        return handler(self, event) if handler else ""

    def _add_refusal(self, event: ResponsesEvent) -> str:
        return self._text.add_refusal(event.delta or "")

    def _add_part(self, event: ResponsesEvent) -> str:
        return self._text.add_part(event)

    def _add_reasoning(self, event: ResponsesEvent) -> str:
        self.reasoning = self._reasoning.add(event)
        self.others += bool(event.delta)
        self.stage = self.stage if self.texts else Stage.THINKING
        return ""

    def _add_arguments(self, event: ResponsesEvent) -> str:
        self._new_calls().add(event)
        return ""

    def _begin_item(self, event: ResponsesEvent) -> str:
        item = read_item(event.item)
        match string_of(item.type):
            case "function_call":
                self._new_calls().begin(item, event.output_index)
            case "reasoning":
                # Many models show nothing else of their reasoning until it is complete.
                self.stage = self.stage if self.texts else Stage.THINKING
        return ""

    def _complete_item(self, event: ResponsesEvent) -> str:
        return self._add_item(event.item, read_item(event.item), event.output_index)

    def _new_calls(self) -> ResponseCalls:
        self.others += 1
        self._calls = self._calls or ResponseCalls(in_pieces=self._in_pieces)
        return self._calls

    def _add_item(self, encoded: msgspec.Raw, item: OutputItem, index: int | None) -> str:
        """Add a complete item; return the part of its text that was not streamed."""
        match string_of(item.type):
            case "message":
                for annotations in annotations_of(item.content):
                    self._citations.add_encoded(bytes(annotations))
                return self._text.add_message(item)
            case "function_call":
                self._new_calls().complete(item, index)
            case "reasoning":
                # Without a text too: the model has reasoned, and that is paid for.
                self.reasoning += self._reasoning.add_item(item)
                if self._codec:
                    self._state.add(bytes(encoded))
                self.others += 1
        return ""

    def _add_annotation(self, event: ResponsesEvent) -> str:
        self._citations.add_encoded(bytes(event.annotation))
        return ""

    def _add_queued(self, event: ResponsesEvent) -> str:
        self.stage = Stage.QUEUED
        return self._add_created(event)

    def _add_created(self, event: ResponsesEvent) -> str:
        self._add_names(read_response(event.response))
        return ""

    def _end(self, event: ResponsesEvent) -> str:
        """Add a response that has ended; return the part of its text that was not streamed."""
        response = read_response(event.response)
        self._add_names(response)
        self.usage = (read_usage(response.usage) if response.usage else None) or self.usage
        outcome = _outcome(event.type, string_of(response.status))
        if outcome in FAILED:
            error = bytes(response.error)
            raise failure_of(error) if error and error not in EMPTY_ERRORS else UpstreamError
        if outcome not in (COMPLETED, INCOMPLETE):
            return ""
        text = self._add_output(response)
        self._finish_reason = STOP
        if outcome == INCOMPLETE:
            reason = incomplete_reason(response)
            self._finish_reason = FINISH_REASONS.get(reason, reason or INCOMPLETE)
        self.complete = self.ended = True
        return text

    def _add_output(self, response: ResponseObject) -> str:
        """Add the items of the output that were not complete before; return their new text."""
        try:
            items = output_items(response)
        except UpstreamProtocolError:
            if not (self.texts or self.others):
                raise
            return ""
        seen = {"message": self._text.count, "reasoning": self._reasoning.count}
        texts = []
        for index, (encoded, item) in enumerate(items):
            kind = string_of(item.type)
            if seen.get(kind, 0) > 0:
                seen[kind] -= 1
            else:
                texts.append(self._add_item(encoded, item, index))
        return "".join(texts)

    def _add_names(self, response: ResponseObject) -> None:
        self._model = encoded_name(response.model) or self._model
        self._id = encoded_name(response.id) or self._id

    def end(self) -> tuple[list[Delta], Completion]:
        """Return the deltas that remain and the completion; see `reader.AnswerReader`."""
        if self._finish_reason is None:
            raise UpstreamTruncated
        reason = finish_reason(self._finish_reason)
        deltas = [Delta(text) for text in self._blank.rest()]
        if self._calls:
            deltas = [Delta("", tool_calls=(call,)) for call in self._calls.finish()]
            reason = FinishReason.TOOL_CALLS
        return deltas, Completion(
            reason,
            self.usage,
            name_of(self._model),
            name_of(self._id),
            self._citations.finish(),
            self._text.refused,
            self._state.encoded(self._codec) if self._codec else b"",
        )

    _handlers: ClassVar[dict[str, Callable[["ResponsesReader", ResponsesEvent], str]]] = {
        "response.refusal.delta": _add_refusal,
        "response.output_text.done": _add_part,
        "response.refusal.done": _add_part,
        "response.reasoning_summary_text.delta": _add_reasoning,
        "response.reasoning_text.delta": _add_reasoning,
        "response.function_call_arguments.delta": _add_arguments,
        "response.function_call_arguments.done": _add_arguments,
        "response.output_item.added": _begin_item,
        "response.output_item.done": _complete_item,
        "response.output_text.annotation.added": _add_annotation,
        "response.created": _add_created,
        "response.queued": _add_queued,
        "response.in_progress": _add_created,
        "response.completed": _end,
        "response.done": _end,
        "response.incomplete": _end,
        "response.failed": _end,
        "response.cancelled": _end,
        WHOLE_RESPONSE: _end,
    }
    """The methods that add the events other than deltas of text. Other events are skipped."""


def _outcome(kind: str, status: str) -> str:
    """Return how a response ended, by the type of its last event and by its status."""
    if kind == WHOLE_RESPONSE:
        return status or COMPLETED
    if status in UNSUCCESSFUL:
        return status
    outcome = kind.removeprefix("response.")
    return outcome if outcome in UNSUCCESSFUL else COMPLETED
