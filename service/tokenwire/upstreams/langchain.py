"""Any LangChain chat model as a `domain.ChatModel`."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final

import langsmith
from langchain_core import exceptions
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_usage

from tokenwire.core import errors
from tokenwire.core.domain import AnswerStream, ChatRequest, Completion, Delta, Usage
from tokenwire.upstreams.openai.chat_model import StreamingChatOpenAI
from tokenwire.upstreams.openai.finish_reasons import finish_reason
from tokenwire.upstreams.prompt import Line, to_lines, to_messages

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
"""LangChain's own failures; other ModelErrors are an UpstreamError."""


async def _nothing() -> None:
    """Close a model that holds nothing."""


class LangChainModel:
    """Streams from a LangChain chat model.

    It calls `_astream`, the method that LangChain asks the authors of models to
    implement: the public `astream` keeps every chunk of the answer and merges
    them at its end, which blocks the event loop for long answers.

    Args:
        model: The chat model.
        aclose: Closes what the model holds.
    """

    def __init__(
        self, model: BaseChatModel, aclose: Callable[[], Awaitable[None]] = _nothing
    ) -> None:
        # LangChain would send prompts and answers to LangSmith if the environment, which is
        # not ours, asked for it; a model's `_astream` may go through other parts of LangChain.
        langsmith.configure(enabled=False)
        self._model = model
        self._aclose = aclose

    def stream(self, request: ChatRequest, deadline: float) -> AnswerStream:
        """Stream the answer to `request`; see `domain.ChatModel`."""
        del deadline
        lines = to_lines(request)
        stop = list(request.sampling.stop) or None
        parameters = _parameters(request)
        if isinstance(self._model, StreamingChatOpenAI):
            return self._model.deltas(lines, stop, **parameters)
        return _deltas(self._model, lines, stop, parameters)

    async def aclose(self) -> None:
        """Close what the model holds."""
        await self._aclose()


def _parameters(request: ChatRequest) -> dict[str, Any]:
    sampling = request.sampling
    parameters = {
        "model": request.model,
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "user": sampling.user or None,
    }
    return {name: value for name, value in parameters.items() if value is not None}


async def _deltas(
    model: BaseChatModel,
    lines: list[Line],
    stop: list[str] | None,
    parameters: dict[str, Any],
) -> AnswerStream:
    usage: UsageMetadata | None = None
    metadata: dict[str, Any] = {}
    messages = await to_messages(lines)
    try:
        # BaseChatModel declares _astream as a coroutine's iterator; it is a generator.
        async with aclosing(model._astream(messages, stop, **parameters)) as chunks:  # type: ignore[type-var]  # noqa: SLF001 - see LangChainModel
            async for chunk in chunks:
                if chunk.text:
                    yield Delta(chunk.text)
                metadata |= chunk.message.response_metadata | (chunk.generation_info or {})
                metadata |= {"id": chunk.message.id} if chunk.message.id else {}
                if isinstance(chunk.message, AIMessageChunk):
                    usage = add_usage(usage, chunk.message.usage_metadata)
    except exceptions.ModelError as error:
        raise _failure(error) from None
    yield _completion(metadata, usage)


def _failure(error: exceptions.ModelError) -> errors.ServiceError:
    for kind, failure in FAILURES.items():
        if isinstance(error, kind):
            return failure()
    return errors.UpstreamError()


def _completion(metadata: dict[str, Any], usage: UsageMetadata | None) -> Completion:
    reason = metadata.get("finish_reason") or metadata.get("stop_reason")
    reason = reason or metadata.get("done_reason")
    # Models outside the OpenAI family need not name a reason: their stream's end is the end.
    model = metadata.get("model_name") or metadata.get("model") or ""
    finished = finish_reason(str(reason or "stop"))
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
