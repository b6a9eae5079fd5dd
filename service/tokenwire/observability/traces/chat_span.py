"""OpenTelemetry's GenAI client span: one for each answer that a model was asked for.

https://github.com/open-telemetry/semantic-conventions-genai. The upstream's
host is left out on purpose.
"""

import json
import time
from contextlib import aclosing
from typing import Any, Final

import grpc
from opentelemetry import trace
from opentelemetry.util.types import AttributeValue

from tokenwire.core import attempts
from tokenwire.core.call_record import Call
from tokenwire.core.domain import AnswerStream, ChatModel, ChatRequest, Completion, Delta
from tokenwire.core.json_pieces import pieces
from tokenwire.core.large_work import next_step
from tokenwire.observability.traces.content_budget import ContentBudget

CHAT: Final = "chat"
OMITTED: Final = "tokenwire.content_omitted"
"""True where spans that are not exported yet hold so much that a text had no room."""
NO_ERROR: Final = (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED)
"""Endings that are no failure of the operation: it was whole, or nobody wanted it any more."""


class TracedModel:
    """A model whose answers have spans. What is still to be known is added by `end_chat_span`.

    Args:
        model: Gets the requests.
        provider: Makes the spans.
        provider_name: Who provides the model, by OpenTelemetry's name.
        capture_content: Whether spans hold what was said.
    """

    def __init__(
        self,
        model: ChatModel,
        provider: trace.TracerProvider,
        provider_name: str,
        *,
        capture_content: bool,
    ) -> None:
        self._model = model
        self._tracer = provider.get_tracer("tokenwire")
        self._provider_name = provider_name
        self._capture_content = capture_content
        self._budget = ContentBudget()

    def stream(self, request: ChatRequest, deadline: float) -> AnswerStream:
        """Stream the answer to `request`; see `domain.ChatModel`."""
        record = attempts.noted()
        record.asked = time.monotonic()
        # A sampler may decide by these.
        identity = {
            "gen_ai.operation.name": CHAT,
            "gen_ai.provider.name": self._provider_name,
            "gen_ai.request.model": request.model,
        }
        span = self._tracer.start_span(
            f"{CHAT} {request.model}", kind=trace.SpanKind.CLIENT, attributes=identity
        )
        record.span = span
        answer = self._model.stream(request, deadline)
        if not span.is_recording():
            return answer
        span.set_attributes(_parameters(request))
        if not self._capture_content:
            return answer
        return _captured(answer, _Said(span, self._budget), request)

    async def aclose(self) -> None:
        """Close the model."""
        await self._model.aclose()


def end_chat_span(call: Call) -> None:
    """End the span of `call` and write into it how the answer ended."""
    span = call.exchange.span
    if span is None:
        return
    if span.is_recording():
        span.set_attributes(_result(call))
        if call.code is not grpc.StatusCode.OK:
            span.set_attribute("error.type", call.reason)
        if call.code not in NO_ERROR:
            span.set_status(trace.StatusCode.ERROR, call.reason)
    span.end()


def _parameters(request: ChatRequest) -> dict[str, AttributeValue]:
    sampling = request.sampling
    parameters: dict[str, AttributeValue | None] = {
        "gen_ai.output.type": "text",
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": sampling.temperature,
        "gen_ai.request.max_tokens": sampling.max_tokens,
        "gen_ai.request.top_p": sampling.top_p,
        "gen_ai.request.seed": sampling.seed,
        "gen_ai.request.frequency_penalty": sampling.frequency_penalty,
        "gen_ai.request.presence_penalty": sampling.presence_penalty,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def _result(call: Call) -> dict[str, AttributeValue]:
    result: dict[str, AttributeValue] = {}
    if call.first_token:
        first_chunk = call.first_token - call.exchange.asked
        result["gen_ai.response.time_to_first_chunk"] = first_chunk
    completion = call.completion
    if completion is None:
        return result
    result["gen_ai.response.finish_reasons"] = (completion.finish_reason.value,)
    if completion.model:
        result["gen_ai.response.model"] = completion.model
    if completion.id:
        result["gen_ai.response.id"] = completion.id
    if completion.usage:
        usage = completion.usage
        result["gen_ai.usage.input_tokens"] = usage.input_tokens
        result["gen_ai.usage.output_tokens"] = usage.output_tokens
        result["gen_ai.usage.cache_read.input_tokens"] = usage.cached_input_tokens
        result["gen_ai.usage.reasoning.output_tokens"] = usage.reasoning_tokens
    return result


class _Said:
    """Writes into a span what was said, in the conventions' JSON, as far as there is room."""

    def __init__(self, span: trace.Span, budget: ContentBudget) -> None:
        self._span = span
        self._budget = budget

    async def ask(self, request: ChatRequest) -> None:
        turns = [_message(turn.role.value, turn.content) for turn in request.history]
        messages = await _json([*turns, _message("user", request.content)])
        self.write("gen_ai.input.messages", messages)
        del messages
        await next_step()
        if request.system:
            instructions = await _json([_text(request.system)])
            self.write("gen_ai.system_instructions", instructions)
        if request.sampling.stop:
            # A parameter, but in the caller's own words.
            self._span.set_attribute("gen_ai.request.stop_sequences", request.sampling.stop)

    def write(self, name: str, text: str) -> None:
        held = self._budget.hold(text)
        if held is None:
            self._span.set_attribute(OMITTED, True)  # noqa: FBT003 - the method takes no keyword
        else:
            self._span.set_attribute(name, held)


async def _captured(answer: AnswerStream, said: "_Said", request: ChatRequest) -> AnswerStream:
    """Write what is said into the span, pass the answer on and write its text too, whole or not."""
    await said.ask(request)
    del request
    texts: list[str] = []
    finish_reason = ""
    try:
        async with aclosing(answer) as events:
            async for event in events:
                if isinstance(event, Delta):
                    texts.append(event.text)
                elif isinstance(event, Completion):
                    finish_reason = event.finish_reason.value
                yield event
    finally:
        message = _message("assistant", "".join(texts)) | {"finish_reason": finish_reason}
        said.write("gen_ai.output.messages", json.dumps([message]))


async def _json(value: list[dict[str, Any]]) -> str:
    """Return the JSON of `value`; others have their turn between one piece and the next."""
    made = []
    for piece in pieces(value):
        made.append(piece.decode())
        await next_step()
    text = "".join(made)
    # The span's own copy takes as long again.
    await next_step()
    return text


def _message(role: str, text: str) -> dict[str, object]:
    return {"role": role, "parts": [_text(text)]}


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "content": text}
