"""The GenAI client span of OpenTelemetry: one span per operation that a model is asked for.

https://github.com/open-telemetry/semantic-conventions-genai. The attribute with the upstream's
host is omitted, because no host may appear in a span.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from opentelemetry import trace
from opentelemetry.util.types import AttributeValue

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import (
    ChatRequest,
    Completion,
    JsonObject,
    JsonSchema,
    Part,
    Role,
    Tool,
    ToolCall,
    Turn,
    Usage,
    join_pieces,
)
from tokenwire.core.json_pieces import pieces
from tokenwire.core.large_work import next_step
from tokenwire.core.method import CHAT, Method, MethodType
from tokenwire.observability.traces.content_budget import ContentBudget

CONTENT_OMITTED: Final = "tokenwire.content_omitted"
"""The attribute that is true if the content budget had no room for a text of the span."""
NO_ERROR: Final = ("OK", "CANCELLED")
"""The statuses that are not errors of the operation: completed, or cancelled by the caller."""


class ChatSpans:
    """Starts the span of a call when a model is asked, and ends it with the call.

    Args:
        provider: The tracer provider.
        provider_name: The model provider's name in OpenTelemetry's conventions.
        capture_content: Whether spans contain prompts and answers.
    """

    def __init__(
        self, provider: trace.TracerProvider, provider_name: str, *, capture_content: bool
    ) -> None:
        self._tracer = provider.get_tracer("tokenwire")
        self._provider_name = provider_name
        self._capture_content = capture_content
        self._budget = ContentBudget()

    async def start(self, request: ChatRequest, call: CallRecord) -> None:
        """Start the span of a call.

        Args:
            request: The request that the model is asked.
            call: The record of the call, which gets the span.
        """
        span = self._start(CHAT, request.model, call)
        if span.is_recording():
            span.set_attributes(_parameters(request, call.method))
            if self._capture_content:
                call.texts = []
                await _Content(span, self._budget).write_request(request)

    def start_operation(
        self, model: str, call: CallRecord, attributes: Mapping[str, AttributeValue]
    ) -> None:
        """Start the span of a call whose method asks something else than an answer.

        Args:
            model: The requested model.
            call: The record of the call, which gets the span.
            attributes: Further attributes of the request.
        """
        self._start(call.method.operation, model, call).set_attributes(attributes)

    def _start(self, operation: str, model: str, call: CallRecord) -> trace.Span:
        parent = trace.get_current_span()
        if parent.get_span_context().is_valid and not parent.is_recording():
            # No sampler records a span whose parent is not recorded in the same process.
            call.attempts.span = parent
            return parent
        # Set at the start, because a sampler may use them.
        identity = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": self._provider_name,
            "gen_ai.request.model": model,
        }
        if call.caller:
            identity["tokenwire.caller"] = call.caller.name
        call.attempts.span = self._tracer.start_span(
            f"{operation} {model}", kind=trace.SpanKind.CLIENT, attributes=identity
        )
        return call.attempts.span

    def end(self, call: CallRecord) -> None:
        """Set the attributes of the result and end the span of a call."""
        span = call.attempts.span
        if span is None:
            return
        if span.is_recording():
            if call.texts is not None:
                _Content(span, self._budget).write_answer(call)
            span.set_attributes(_result(call))
            if call.status != "OK":
                span.set_attribute("error.type", call.reason)
            if call.status not in NO_ERROR:
                span.set_status(trace.StatusCode.ERROR, call.reason)
        span.end()


def _parameters(request: ChatRequest, method: Method) -> dict[str, AttributeValue]:
    sampling = request.sampling
    parameters: dict[str, AttributeValue | None] = {
        "gen_ai.output.type": (
            "json" if isinstance(request.format, JsonSchema | JsonObject) else "text"
        ),
        "gen_ai.request.stream": method.type is MethodType.SERVER_STREAM,
        "gen_ai.request.temperature": sampling.temperature,
        "gen_ai.request.max_tokens": sampling.max_tokens,
        "gen_ai.request.top_k": sampling.top_k,
        "gen_ai.request.top_p": sampling.top_p,
        "gen_ai.request.seed": sampling.seed,
        "gen_ai.request.frequency_penalty": sampling.frequency_penalty,
        "gen_ai.request.presence_penalty": sampling.presence_penalty,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def _result(call: CallRecord) -> dict[str, AttributeValue]:
    result: dict[str, AttributeValue] = {}
    if call.first_token:
        first_chunk = call.first_token - call.attempts.started
        result["gen_ai.response.time_to_first_chunk"] = first_chunk
    if call.response_model:
        result["gen_ai.response.model"] = call.response_model
    if call.counted:
        result["gen_ai.usage.input_tokens"] = call.counted.input_tokens
    if call.prompt_tokens is not None:
        # Not a usage: nothing was generated or paid for.
        result["tokenwire.prompt_tokens"] = call.prompt_tokens
    if call.tool_call_count:
        result["tokenwire.tool_calls"] = call.tool_call_count
    if call.completion:
        result.update(_completed(call.completion))
    return result


def _completed(completion: Completion) -> dict[str, AttributeValue]:
    result: dict[str, AttributeValue] = {}
    result["gen_ai.response.finish_reasons"] = (completion.finish_reason.value,)
    if completion.model:
        result["gen_ai.response.model"] = completion.model
    if completion.id:
        result["gen_ai.response.id"] = completion.id
    if completion.refused:
        result["tokenwire.refused"] = True
    if completion.usage:
        result.update(_usage(completion.usage))
    return result


def _usage(usage: Usage) -> dict[str, AttributeValue]:
    tokens: dict[str, AttributeValue] = {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }
    rare = {
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_input_tokens,
        "gen_ai.usage.audio.input_tokens": usage.audio_input_tokens,
        "gen_ai.usage.audio.output_tokens": usage.audio_output_tokens,
    }
    tokens.update((name, count) for name, count in rare.items() if count)
    return tokens


class _Content:
    """Writes prompt and answer into a span, in the conventions' JSON, within the budget."""

    def __init__(self, span: trace.Span, budget: ContentBudget) -> None:
        self._span = span
        self._budget = budget

    async def write_request(self, request: ChatRequest) -> None:
        turns = [_turn(turn) for turn in request.history]
        if request.content or request.parts:
            turns.append(_turn(Turn(Role.USER, request.content, parts=request.parts)))
        messages = await _json(turns)
        self._write("gen_ai.input.messages", messages)
        del messages
        await next_step()
        if request.system:
            instructions = await _json([_text(request.system)])
            self._write("gen_ai.system_instructions", instructions)
        if request.tools:
            await next_step()
            self._write("gen_ai.tool.definitions", await _json(list(map(_tool, request.tools))))
        if request.sampling.stop:
            # Stop sequences are text of the caller, unlike the other parameters.
            self._span.set_attribute("gen_ai.request.stop_sequences", request.sampling.stop)

    def write_answer(self, call: CallRecord) -> None:
        finish_reason = call.completion.finish_reason.value if call.completion else ""
        message = _message("assistant", "".join(call.texts or ()))
        if reasoning := "".join(call.reasonings):
            message["parts"] = [_reasoning(reasoning), *message["parts"]]
        message["parts"] += map(_tool_call, join_pieces(call.tool_calls))
        message["finish_reason"] = finish_reason
        self._write("gen_ai.output.messages", json.dumps([message]))

    def _write(self, name: str, text: str) -> None:
        counted = self._budget.reserve(text)
        if counted is None:
            self._span.set_attribute(CONTENT_OMITTED, True)  # noqa: FBT003 - the method takes no keyword
        else:
            self._span.set_attribute(name, counted)


async def _json(value: list[dict[str, Any]]) -> str:
    """Return the JSON of `value`, yielding to the event loop after each piece."""
    encoded = []
    for piece in pieces(value):
        encoded.append(piece.decode())
        await next_step()
    text = "".join(encoded)
    # Yield once more: the span's copy of the text takes as long as the join.
    await next_step()
    return text


def _turn(turn: Turn) -> dict[str, Any]:
    if turn.role is Role.TOOL:
        result = {"type": "tool_call_response", "id": turn.tool_call_id, "response": turn.content}
        return {"role": turn.role.value, "parts": [result, *map(_part, turn.parts)]}
    message = _message(turn.role.value, turn.content)
    message["parts"] += [*map(_part, turn.parts), *map(_tool_call, turn.tool_calls)]
    return message


def _part(part: Part) -> dict[str, Any]:
    """Return a part without its data, which would make a span of megabytes."""
    source: dict[str, Any] = (
        {"type": "uri", "uri": part.url}
        if part.url
        else {"type": "blob", "content": "", "size": len(part.data)}
    )
    return {**source, "modality": part.kind.value, "mime_type": part.media_type}


def _tool(tool: Tool) -> dict[str, Any]:
    description = {"description": tool.description} if tool.description else {}
    parameters = msgspec.Raw(tool.parameters.encode())
    return {"type": "function", "name": tool.name, **description, "parameters": parameters}


def _tool_call(call: ToolCall) -> dict[str, str]:
    return {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [_text(text)]}


def _reasoning(text: str) -> dict[str, str]:
    return {"type": "reasoning", "content": text}


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "content": text}
