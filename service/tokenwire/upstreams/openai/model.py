"""Streams answers from an OpenAI-compatible upstream as domain events."""

from contextlib import closing
from typing import Final

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import AnswerStream, ChatRequest, Delta
from tokenwire.core.errors import (
    CallerError,
    ServiceError,
    UpstreamError,
    UpstreamEventTooLarge,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
)
from tokenwire.core.large_work import next_step
from tokenwire.upstreams.http.sse import Event
from tokenwire.upstreams.openai.dialect import Dialect
from tokenwire.upstreams.openai.reader import AnswerReader
from tokenwire.upstreams.openai.response_events import ResponseEvents
from tokenwire.upstreams.openai.upstream import Upstream
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
        with closing(ProgressTimer(call.attempts.started, self._timeouts)) as timer:
            with timer:
                events = await self._open(request, call)
            show_reasoning = request.reasoning.show
            reader = self.dialect.reader(request)
            # Frees the prompt for the rest of the answer, which can take minutes.
            del request
            with events:
                while (batch := await _next(events, reader, timer)) is not None:
                    was_complete, texts, others = reader.complete, reader.texts, reader.others
                    deltas, failure = _deltas(
                        reader, batch, merge=self._merge_tokens, show_reasoning=show_reasoning
                    )
                    has_text = reader.texts > texts
                    if has_text or (reader.others > others and not was_complete):
                        call.attempts.received = True
                        timer.progressed()
                    if deltas:
                        call.attempts.first_read = call.attempts.first_read or events.read_at
                    if has_text and was_complete:
                        call.deadline.text_resumed()
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
        await self.dialect.aclose()

    async def _open(self, request: ChatRequest, call: CallRecord) -> ResponseEvents:
        if len(request.history) > MESSAGES_PER_STEP:
            # Validating so many turns has taken milliseconds already.
            await next_step()
        return await self._upstream.open(self.dialect.payload(request), call.attempts)


async def _next(
    events: ResponseEvents, reader: AnswerReader, timer: ProgressTimer
) -> list[Event] | None:
    """Return the next events, or None at the end of the stream.

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
            return await events.read()
    except UpstreamEventTooLarge:
        raise
    except ServiceError:
        if reader.complete:
            return None
        raise


def _late(failure: ServiceError) -> ServiceError:
    """Return the failure of an answer that has begun.

    A limit is one only before the answer: then the request can be repeated after a while. A prompt
    that the model has begun to answer was accepted.
    """
    others = (UpstreamRateLimited, UpstreamQuotaExhausted, CallerError)
    return UpstreamError() if isinstance(failure, others) else failure


def _deltas(
    reader: AnswerReader, batch: list[Event], *, merge: bool, show_reasoning: bool
) -> tuple[list[Delta], ServiceError | None]:
    """Decode and clear `batch`; return its deltas and the failure that ended them, or None."""
    deltas: list[Delta] = []
    texts: list[str] = []
    reasonings: list[str] = []
    failure = None
    for event in batch:
        try:
            text = reader.add(event)
        except ServiceError as error:
            if not reader.complete:
                failure = error
                break
            reader.deferred_error = reader.deferred_error or error
            continue
        if reader.logprobs:
            # Not merged: few requests ask for them, and each belongs to its text.
            deltas += _merged(reasonings, texts, merge=merge)
            shown = reader.reasoning if show_reasoning else ""
            deltas.append(Delta(text, 1, shown, logprobs=reader.logprobs))
            reasonings, texts = [], []
            continue
        if reader.reasoning and show_reasoning:
            if texts:
                # In a Delta, the reasoning comes before the text.
                deltas += _merged(reasonings, texts, merge=merge)
                reasonings, texts = [], []
            reasonings.append(reader.reasoning)
        if text:
            texts.append(text)
    # Frees the events: the caller's frame refers to the list while it waits for its reader.
    batch.clear()
    if len(texts) == 1 and not reasonings:
        deltas.append(Delta(texts[0]))
    elif texts or reasonings:
        deltas += _merged(reasonings, texts, merge=merge)
    return deltas, failure


def _merged(reasonings: list[str], texts: list[str], *, merge: bool) -> list[Delta]:
    """Return reasoning and the text after it as one Delta, or as one for each event."""
    if merge and (texts or reasonings):
        return [Delta("".join(texts), len(texts) + len(reasonings), "".join(reasonings))]
    return [Delta("", 1, each) for each in reasonings] + [Delta(each) for each in texts]
