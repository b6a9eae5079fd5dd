"""Reads the events of a responses stream into text and the completion."""

from typing import Any, Final

import msgspec

from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.domain import Completion, Delta, FinishReason, TokenLogprob, Usage
from tokenwire.core.errors import ServiceError, UpstreamProtocolError, UpstreamTruncated
from tokenwire.upstreams.http.sse import Event
from tokenwire.upstreams.openai.answer_names import name_of
from tokenwire.upstreams.openai.citations import CitationReader
from tokenwire.upstreams.openai.finish_reasons import finish_reason
from tokenwire.upstreams.openai.logprobs import read_logprobs
from tokenwire.upstreams.openai.rejection import error_in_answer, is_error
from tokenwire.upstreams.openai.responses import events
from tokenwire.upstreams.openai.responses.events import TextEvent, decode_text_event, ending_of
from tokenwire.upstreams.openai.responses.output import OutputReader
from tokenwire.upstreams.openai.usage import read_usage

PARAGRAPH: Final = "\n\n"
"""What separates the parts of a summary."""


class ResponseReader:
    """Accumulates the events of one answer; see `reader.AnswerReader`.

    Args:
        codec: Encodes what the upstream needs back of an answer with tool calls; None if the
            request has no tools.
        with_logprobs: Whether the request asks for log probabilities.
    """

    def __init__(self, codec: StateCodec | None = None, *, with_logprobs: bool = False) -> None:
        self._codec = codec
        self._with_logprobs = with_logprobs
        self.logprobs: tuple[TokenLogprob, ...] = ()
        self.complete = False
        self.ended = False
        self.texts = 0
        self.others = 0
        self.reasoning = ""
        self.deferred_error: ServiceError | None = None
        self._output = OutputReader()
        self._citations = CitationReader()
        self._reasoning_type = ""
        self._reasoning_part: tuple[str, int, int] | None = None
        self._finish_reason = ""
        self._usage: Usage | None = None
        self._model = ""
        self._id = ""

    def add(self, event: Event) -> str:
        """Add an event and return its text, which may be empty; see `reader.AnswerReader`."""
        self.reasoning = ""
        self.logprobs = ()
        try:
            piece = decode_text_event(event.data)
        except msgspec.ValidationError:
            return self._counted(self._add_other(event))
        except (ValueError, RecursionError):
            if not event.data.strip():
                return ""
            raise UpstreamProtocolError from None
        return self._counted(self._add_piece(piece))

    def _counted(self, text: str) -> str:
        if text:
            self.texts += 1
        return text

    def _add_piece(self, piece: TextEvent) -> str:
        """Add an event with a `delta`, and return its text."""
        kind = piece.type
        if self._with_logprobs:
            self.logprobs = read_logprobs(piece.logprobs)
        if kind == events.TEXT_DELTA:
            return self._output.add_text(piece)
        if kind == events.REFUSAL_DELTA:
            self._output.refused = True
            return self._output.add_text(piece)
        if kind in events.REASONING_DELTAS:
            self._add_reasoning(piece)
        elif kind == events.ARGUMENTS_DELTA:
            self._output.add_arguments(piece.output_index, piece.delta)
            self.others += 1
        return ""

    def _add_reasoning(self, piece: TextEvent) -> None:
        self.others += bool(piece.delta)
        # Some servers send the reasoning and a summary of it.
        self._reasoning_type = self._reasoning_type or piece.type
        if piece.type != self._reasoning_type or not piece.delta:
            return
        part = (piece.item_id, piece.output_index, piece.summary_index)
        first = self._reasoning_part in (None, part)
        self._reasoning_part = part
        self.reasoning = piece.delta if first else PARAGRAPH + piece.delta

    def _add_other(self, event: Event) -> str:
        """Add an event without a `delta`, and return its text."""
        try:
            value = msgspec.json.decode(event.data)
        except (ValueError, RecursionError):
            raise UpstreamProtocolError from None
        if not isinstance(value, dict):
            raise UpstreamProtocolError
        kind = value.get("type") or event.name.decode(errors="replace")
        if kind == events.ERROR or (is_error(value) and kind not in events.ENDINGS):
            raise error_in_answer(event.data)
        response = value if value.get("object") == "response" else value.get("response")
        if isinstance(response, dict) and (kind in events.ENDINGS or value is response):
            return self._end(kind if value is not response else ending_of(value), response)
        return self._add_item(kind, value)

    def _add_item(self, kind: object, value: dict[str, Any]) -> str:
        """Add an event about an item of the output, and return the text that only it has."""
        match kind:
            case events.ITEM_ADDED | events.ITEM_DONE:
                return self._output_item(value.get("item"), value.get("output_index"))
            case events.ARGUMENTS_DONE:
                self._output.add_arguments(value.get("output_index"), value.get("arguments"))
                self.others += 1
            case events.TEXT_DONE:
                return self._output.missing_text(value, value.get("text"))
            case events.REFUSAL_DONE:
                self._output.refused = True
                return self._output.missing_text(value, value.get("refusal"))
            case events.ANNOTATION:
                self._citations.add([value.get("annotation")])
            case events.TEXT_DELTA | events.REFUSAL_DELTA:
                # The `delta` is no text, or the position has another type.
                delta = value.get("delta")
                if not isinstance(delta, str):
                    raise UpstreamProtocolError
                return self._add_piece(TextEvent(str(kind), delta, name_of(value.get("item_id"))))
        return ""

    def _output_item(self, item: object, index: object) -> str:
        text = self._output.add_item(item, index, self._citations)
        self.others += self._output.progressed
        return text

    def _end(self, kind: str, response: dict[str, Any]) -> str:
        """Add the whole response, and return the text that only it has."""
        self._model = response.get("model") or self._model
        self._id = response.get("id") or self._id
        if usage := response.get("usage"):
            self._usage = read_usage(msgspec.Raw(msgspec.json.encode(usage)))
        if kind in (events.FAILED, events.CANCELLED):
            raise error_in_answer(msgspec.json.encode({"error": response.get("error") or {}}))
        text = self._whole_output(response.get("output"))
        details = response.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        self._finish_reason = str(reason or "length") if kind == events.INCOMPLETE else "stop"
        self.complete = self.ended = True
        return text

    def _whole_output(self, output: object) -> str:
        """Add the whole output, and return its text if no piece of it has arrived.

        The indexes of some servers differ from those of the items, so the text is all or nothing.
        """
        has_text = self.texts > 0
        texts = [
            self._output_item(item, index)
            for index, item in enumerate(output if isinstance(output, list) else ())
        ]
        return "" if has_text else "".join(texts)

    def end(self) -> tuple[list[Delta], Completion]:
        """Return the deltas that remain and the completion; see `reader.AnswerReader`."""
        if not self.complete:
            raise UpstreamTruncated
        reason = finish_reason(self._finish_reason)
        calls = self._output.tool_calls()
        if calls:
            reason = FinishReason.TOOL_CALLS
        state = self._output.reasoning.encoded(self._codec) if self._codec else b""
        completion = Completion(
            reason,
            self._usage,
            name_of(self._model),
            name_of(self._id),
            self._citations.finish(),
            self._output.refused,
            state,
        )
        return [Delta("", tool_calls=(call,)) for call in calls], completion
