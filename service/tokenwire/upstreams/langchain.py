"""Adapts any LangChain chat model to `chat_model.ChatModel`."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from typing import Any, Final

import langsmith
import msgspec
from langchain_core import exceptions
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.messages.tool import ToolCallChunk
from langchain_core.outputs import ChatGenerationChunk

from tokenwire.core import errors
from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import (
    AnswerStream,
    ChatRequest,
    Completion,
    Delta,
    FinishReason,
    Usage,
)
from tokenwire.upstreams.openai.finish_reasons import finish_reason
from tokenwire.upstreams.openai.tool_fields import tool_fields
from tokenwire.upstreams.progress_timer import ProgressTimer, Timeouts
from tokenwire.upstreams.prompt import to_drafts, to_messages, to_parameters
from tokenwire.upstreams.tool_call_assembler import ToolCallAssembler, ToolCallPiece

FAILURES: Final[dict[type[exceptions.ModelError], type[errors.ServiceError]]] = {
    exceptions.ModelAuthenticationError: errors.UpstreamAuthRejected,
    exceptions.ModelPermissionDeniedError: errors.UpstreamAuthRejected,
    exceptions.ModelInvalidRequestError: errors.UpstreamRejectedRequest,
    exceptions.ModelNotFoundError: errors.UpstreamModelNotFound,
    exceptions.ModelRateLimitError: errors.UpstreamRateLimited,
    exceptions.ModelConnectionError: errors.UpstreamUnreachable,
    exceptions.ModelTimeoutError: errors.UpstreamTimeout,
    exceptions.ContextOverflowError: errors.PromptTooLong,
}
"""LangChain's exceptions. Every other ModelError becomes an UpstreamError."""


class LangChainModel:
    """Streams answers from a LangChain chat model.

    The class calls `_astream`, which model authors implement, and not the public `astream`:
    `astream` keeps every chunk and merges them at the end, which blocks the event loop for long
    answers.

    Args:
        model: The chat model.
        timeouts: The upstream's time limits.
    """

    def __init__(self, model: BaseChatModel, timeouts: Timeouts) -> None:
        # Environment variables can make LangChain send prompts and answers to LangSmith. A model's
        # `_astream` may call parts of LangChain that do so.
        langsmith.configure(enabled=False)
        self._model = model
        self._timeouts = timeouts

    async def stream(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        """Stream the answer to `request`; see `chat_model.ChatModel`."""
        _check_support(request)
        show_reasoning = request.reasoning.show
        messages = await to_messages(to_drafts(request))
        stop = list(request.sampling.stop) or None
        # BaseChatModel declares _astream as an async iterator, but it is an async generator.
        source: AsyncGenerator[ChatGenerationChunk] = self._model._astream(  # type: ignore[assignment]  # noqa: SLF001 - see the class
            messages, stop, **to_parameters(request), **_tool_parameters(self._model, request)
        )
        assembler = ToolCallAssembler()
        del messages, request
        usage: UsageMetadata | None = None
        metadata: dict[str, Any] = {}
        try:
            async with aclosing(source) as chunks:
                with closing(ProgressTimer(call.attempts.started, self._timeouts)) as timer:
                    while (chunk := await _next(chunks, timer)) is not None:
                        reasoning, pieces = _reasoning(chunk.message), _pieces(chunk.message)
                        if chunk.message.content or reasoning or pieces:
                            call.attempts.received = True
                            timer.progressed()
                        for piece in pieces:
                            assembler.add(piece)
                        shown = reasoning if show_reasoning else ""
                        if chunk.text or shown:
                            yield Delta(chunk.text, reasoning=shown)
                        metadata |= chunk.message.response_metadata | (chunk.generation_info or {})
                        metadata |= {"id": chunk.message.id} if chunk.message.id else {}
                        if isinstance(chunk.message, AIMessageChunk):
                            usage = add_usage(usage, chunk.message.usage_metadata)
        except exceptions.ModelError as error:
            raise _failure(error) from None
        calls = assembler.finish()
        for each in calls:
            yield Delta("", tool_calls=(each,))
        yield _completion(metadata, usage, has_calls=bool(calls))

    def check(self, request: ChatRequest) -> None:
        """Raise InvalidParameter if the request has something that the provider does not take."""
        _check_support(request)
        _tool_parameters(self._model, request)

    async def aclose(self) -> None:
        """Do nothing: LangChain's chat models have no common close method."""


async def _next(
    chunks: AsyncGenerator[ChatGenerationChunk], timer: ProgressTimer
) -> ChatGenerationChunk | None:
    with timer:
        return await anext(chunks, None)


def _check_support(request: ChatRequest) -> None:
    """Reject what LangChain has no common parameter for."""
    reasoning = request.reasoning
    values = {
        "reasoning.effort": reasoning.effort,
        "reasoning.max_tokens": reasoning.max_tokens,
        "format": request.format,
    }
    for name, value in values.items():
        if value is not None:
            raise errors.InvalidParameter(name, "is not supported with this provider")


def _reasoning(message: BaseMessage) -> str:
    if isinstance(message.content, str) and not message.additional_kwargs:
        return ""
    blocks = message.content_blocks
    return "".join(block.get("reasoning", "") for block in blocks if block["type"] == "reasoning")


def _failure(error: exceptions.ModelError) -> errors.ServiceError:
    for kind, failure in FAILURES.items():
        if isinstance(error, kind):
            return failure()
    return errors.UpstreamError()


def _tool_parameters(model: BaseChatModel, request: ChatRequest) -> dict[str, Any]:
    """Return the parameters for the request's tools, in the format of the model's provider."""
    if not request.tools:
        return {}
    fields = json.loads(msgspec.json.encode(tool_fields(request)))
    choice = fields.pop("tool_choice", None)
    try:
        bound = model.bind_tools(
            fields.pop("tools"), **({"tool_choice": choice} if choice else {}), **fields
        )
    except NotImplementedError:
        raise errors.InvalidParameter("tools", "is not supported with this provider") from None
    kwargs: dict[str, Any] = getattr(bound, "kwargs", {})
    return kwargs


def _pieces(message: BaseMessage) -> list[ToolCallPiece]:
    if not isinstance(message, AIMessageChunk):
        return []
    return [_piece(chunk) for chunk in message.tool_call_chunks]


def _piece(chunk: ToolCallChunk) -> ToolCallPiece:
    index = chunk.get("index")
    return ToolCallPiece(
        index if isinstance(index, int) else None,
        chunk.get("id") or "",
        chunk.get("name") or "",
        chunk.get("args") or "",
    )


def _completion(
    metadata: dict[str, Any], usage: UsageMetadata | None, *, has_calls: bool
) -> Completion:
    reason = metadata.get("finish_reason") or metadata.get("stop_reason")
    reason = reason or metadata.get("done_reason")
    # Models outside the OpenAI family may report no reason; the end of the stream counts as "stop".
    model = metadata.get("model_name") or metadata.get("model") or ""
    finished = FinishReason.TOOL_CALLS if has_calls else finish_reason(str(reason or "stop"))
    return Completion(finished, _usage(usage), str(model), str(metadata.get("id") or ""))


def _usage(reported: UsageMetadata | None) -> Usage | None:
    if not reported or not reported["total_tokens"]:
        return None
    return Usage(
        input_tokens=reported["input_tokens"],
        output_tokens=reported["output_tokens"],
        cached_input_tokens=reported.get("input_token_details", {}).get("cache_read", 0),
        reasoning_tokens=reported.get("output_token_details", {}).get("reasoning", 0),
    )
