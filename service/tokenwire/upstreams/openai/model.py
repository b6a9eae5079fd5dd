"""Streams answers from an OpenAI-compatible upstream as domain events."""

from contextlib import closing
from typing import Final

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import AnswerStream, ChatRequest
from tokenwire.core.errors import (
    CallerError,
    ServiceError,
    UpstreamError,
    UpstreamEventTooLarge,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
)
from tokenwire.core.large_work import next_step
from tokenwire.core.write_turn import WriteTurn
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.http.event_runs import Run
from tokenwire.upstreams.openai.deltas import read_deltas
from tokenwire.upstreams.openai.dialect import Dialect
from tokenwire.upstreams.openai.member_chunks import MemberReader, read_chunks
from tokenwire.upstreams.openai.reader import AnswerReader
from tokenwire.upstreams.openai.response_events import ResponseEvents
from tokenwire.upstreams.openai.upstream import Upstream
from tokenwire.upstreams.progress_report import StageReports
from tokenwire.upstreams.progress_timer import ProgressTimer, Timeouts
from tokenwire.upstreams.prompt import MESSAGES_PER_STEP

USAGE_SECONDS: Final = 2.0
"""How long usage may arrive after the finish reason."""


class OpenAIModel:
    """Streams text and reasoning without creating a LangChain message per token.

    Args:
        dialect: Writes the requests and reads the answers.
        upstream: The upstream that receives the requests.
        timeouts: The upstream's time limits.
        merge_tokens: Whether tokens that arrive together are merged into one Delta.

    Attributes:
        dialect: Writes the requests and reads the answers.
    """

    def __init__(
        self,
        dialect: Dialect,
        upstream: Upstream,
        timeouts: Timeouts,
        *,
        merge_tokens: bool,
    ) -> None:
        self.dialect = dialect
        self._upstream = upstream
        self._timeouts = timeouts
        self._merge_tokens = merge_tokens

    async def stream(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        """Stream the answer to `request`; see `chat_model.ChatModel`."""
        with closing(ProgressTimer(call.attempts, self._timeouts)) as timer:
            with timer:
                events = await self._open(request, call)
            show_reasoning = request.reasoning.show
            stages = StageReports(call, show=request.show_progress)
            reader = self.dialect.reader(request)
            read = read_chunks if isinstance(reader, MemberReader) else read_deltas
            call.usage_so_far = lambda: reader.usage
            # Frees the prompt for the rest of the answer, which can take minutes.
            del request
            events.find_runs(reader.templates if self._merge_tokens else None)
            with events:
                while (batch := await _next(events, reader, timer, call.turn)) is not None:
                    was_complete, texts, others = reader.complete, reader.texts, reader.others
                    deltas, failure = read(
                        reader, batch, merge=self._merge_tokens, show_reasoning=show_reasoning
                    )
                    has_text = reader.texts > texts
                    if has_text or (reader.others > others and not was_complete):
                        call.attempts.received = True
                        timer.progressed()
                    read_at = events.read_at if deltas else 0.0
                    call.attempts.first_read = call.attempts.first_read or read_at
                    if has_text and was_complete:
                        call.deadline.text_resumed()
                    if reader.stage:
                        deltas[:0] = stages.report(reader.stage)
                    for delta in deltas:
                        yield delta
                    if failure:
                        raise _late(failure) if call.attempts.received else failure
                    if reader.complete and (has_text or not was_complete):
                        # Usage may arrive after the idle timeout and after the call's deadline.
                        timer.limit(USAGE_SECONDS)
                        call.deadline.text_completed(USAGE_SECONDS)
        deltas, completion = reader.end()
        if deltas:
            call.deadline.text_resumed()
        for delta in deltas:
            yield delta
        yield completion

    async def aclose(self) -> None:
        """Close all connections."""
        await self._upstream.aclose()

    async def _open(self, request: ChatRequest, call: CallRecord) -> ResponseEvents:
        if len(request.history) > MESSAGES_PER_STEP:
            # Validating so many turns has taken milliseconds already.
            await next_step()
        return await self._upstream.open(self.dialect.payload(request), call.attempts)


async def _next(
    events: ResponseEvents, reader: AnswerReader, timer: ProgressTimer, turn: WriteTurn | None
) -> list[Event | Run] | None:
    """Return the next events, or None at the end of the stream.

    If others write at the moment, the events are those that have arrived when the turn comes, so
    that one message has them all. Events that come as fast as they are read share a message too.

    After the text is complete, a stream that breaks or stalls counts as ended.

    Raises:
        ServiceError: The stream breaks or stalls before the text is complete.
        UpstreamEventTooLarge: An event exceeds the size limit. It must contain text, so the text
            is not complete.
    """
    if reader.ended:
        await events.finish()
        return None
    try:
        with timer:
            batch = await events.read_runs()
    except UpstreamEventTooLarge:
        raise
    except ServiceError:
        if reader.complete:
            return None
        raise
    if batch and turn is not None and not turn.taken:
        if turn.must_wait():
            await turn.wait()
            batch += events.read_arrived()
        if events.full:
            await events.read_on(batch)
    return batch


def _late(failure: ServiceError) -> ServiceError:
    """Return the failure of an answer that has begun.

    A limit is one only before the answer: then the request can be repeated after a while. A prompt
    that the model has begun to answer was accepted.
    """
    others = (UpstreamRateLimited, UpstreamQuotaExhausted, CallerError)
    return UpstreamError() if isinstance(failure, others) else failure
