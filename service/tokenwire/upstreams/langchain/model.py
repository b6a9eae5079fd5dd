"""Adapts LangChain's chat models to `chat_model.ChatModel`."""

from contextlib import aclosing, closing
from typing import Final

import langsmith
from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatGenerationChunk

from tokenwire.core import errors
from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import AnswerStream, ChatRequest
from tokenwire.upstreams.langchain.answer import LangChainReader
from tokenwire.upstreams.langchain.backend import Answering, Backend
from tokenwire.upstreams.langchain.exchange import ProviderExchange
from tokenwire.upstreams.langchain.failures import failure_of
from tokenwire.upstreams.langchain.generic import GenericBackend
from tokenwire.upstreams.progress_report import StageReports
from tokenwire.upstreams.progress_timer import ProgressTimer, Timeouts
from tokenwire.upstreams.translated import check_translated

USAGE_SECONDS: Final = 2.0
"""How long usage and the end of the stream may arrive after the finish reason."""


class LangChainModel:
    """Streams answers from LangChain's chat models.

    The backends call `_astream`, which model authors implement, and not the public `astream`:
    `astream` keeps every chunk and merges them at the end, which blocks the event loop for long
    answers.

    Args:
        model: The chat model, or the backend for its provider.
        timeouts: The upstream's time limits.
    """

    def __init__(self, model: BaseChatModel | Backend, timeouts: Timeouts) -> None:
        # Environment variables can make LangChain send prompts and answers to LangSmith. A model's
        # `_astream` may call parts of LangChain that do so.
        langsmith.configure(enabled=False)
        self._backend: Backend
        self._backend = GenericBackend(model) if isinstance(model, BaseChatModel) else model
        self._timeouts = timeouts

    async def stream(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        """Stream the answer to `request`; see `chat_model.ChatModel`."""
        check_translated(request.body)
        answering = await self._backend.ask(request, call.attempts)
        exchange = answering.exchange
        reader = LangChainReader(
            exchange.facts if exchange else None,
            show_reasoning=request.reasoning.show,
            has_tools=bool(request.tools),
            in_pieces=request.stream_tool_calls,
        )
        stages = StageReports(call, show=request.show_progress)
        call.usage_so_far = lambda: reader.usage
        del request
        try:
            async with aclosing(answering.chunks):
                with closing(ProgressTimer(call.attempts, self._timeouts)) as timer:
                    limited = False
                    while chunk := await _next(answering, reader, timer, call):
                        before = reader.progress
                        delta = reader.add(chunk)
                        if reader.progress > before:
                            call.attempts.received = True
                            timer.progressed()
                        for report in stages.report(reader.stage):
                            yield report
                        if delta:
                            _note_read(exchange, call)
                            if limited:
                                limited = False
                                call.deadline.text_resumed()
                            yield delta
                        if reader.complete and not limited:
                            limited = True
                            # Usage may arrive after the idle timeout and the call's deadline.
                            timer.limit(USAGE_SECONDS)
                            call.deadline.text_completed(USAGE_SECONDS)
            deltas, completion = reader.end()
            if deltas:
                call.deadline.text_resumed()
            for delta in deltas:
                yield delta
        finally:
            if exchange:
                # The packages may leave their generators to the garbage collector.
                exchange.close()
        yield completion

    def check(self, request: ChatRequest) -> None:
        """Reject what the model does not take.

        Raises:
            InvalidParameter: The model has no counterpart for a field that is set.
        """
        self._backend.check(request)

    async def aclose(self) -> None:
        """Close the connections to the upstream."""
        await self._backend.aclose()


def _note_read(exchange: ProviderExchange | None, call: CallRecord) -> None:
    if exchange:
        call.attempts.first_read = call.attempts.first_read or exchange.read_at


async def _next(
    answering: Answering, reader: LangChainReader, timer: ProgressTimer, call: CallRecord
) -> ChatGenerationChunk | None:
    """Return the next chunk, or None at the end of the stream.

    After the text is complete, a stream that breaks or stalls counts as ended.

    Raises:
        ServiceError: The stream fails before the text is complete.
    """
    exchange = answering.exchange
    try:
        try:
            with timer:
                return await anext(answering.chunks, None)
        except errors.ServiceError:
            raise
        except Exception as error:  # noqa: BLE001 - packages raise exceptions of any type
            failure = exchange.failure if exchange else None
            sent = exchange.sent if exchange else None
            received = call.attempts.received
            raise failure or failure_of(error, sent=sent, received=received) from None
    except errors.ServiceError as error:
        if reader.complete and not isinstance(error, errors.UpstreamEventTooLarge):
            return None
        # A limit is one only before the answer: then the request can be repeated after a while.
        limits = (errors.UpstreamRateLimited, errors.UpstreamQuotaExhausted)
        if exchange and call.attempts.received and isinstance(error, limits):
            raise errors.UpstreamError from None
        raise
