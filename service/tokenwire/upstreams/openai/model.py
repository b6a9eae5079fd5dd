"""Streams answers from an OpenAI-compatible upstream as domain events."""

from contextlib import closing
from typing import Final

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import AnswerStream, ChatRequest, Delta
from tokenwire.core.errors import (
    ServiceError,
    UpstreamError,
    UpstreamEventTooLarge,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
)
from tokenwire.core.large_work import next_step
from tokenwire.upstreams.http.sse import Event
from tokenwire.upstreams.openai.chat_model import StreamingChatOpenAI
from tokenwire.upstreams.openai.chunks import ChunkReader, decode
from tokenwire.upstreams.openai.request_form import RequestForm
from tokenwire.upstreams.openai.response_events import ResponseEvents
from tokenwire.upstreams.openai.upstream import Upstream
from tokenwire.upstreams.progress_timer import ProgressTimer, Timeouts
from tokenwire.upstreams.prompt import MESSAGES_PER_STEP, to_drafts, to_parameters

USAGE_SECONDS: Final = 2.0
"""How long usage may arrive after the finish reason."""


class OpenAIModel:
    """Streams text and reasoning without creating a LangChain message per token.

    Args:
        chat_model: Builds the payloads.
        upstream: The upstream that receives the requests.
        timeouts: The upstream's time limits.
        form: The names of the upstream's parameters.
        merge_tokens: Whether tokens that arrive together are merged into one Delta.
    """

    def __init__(
        self,
        chat_model: StreamingChatOpenAI,
        upstream: Upstream,
        timeouts: Timeouts,
        *,
        form: RequestForm,
        merge_tokens: bool,
    ) -> None:
        self._chat_model = chat_model
        self._upstream = upstream
        self._timeouts = timeouts
        self._form = form
        self._merge_tokens = merge_tokens

    async def stream(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        """Stream the answer to `request`; see `chat_model.ChatModel`."""
        with closing(ProgressTimer(call.attempts.started, self._timeouts)) as timer:
            with timer:
                events = await self._open(request, call)
            show_reasoning, has_tools = request.reasoning.show, bool(request.tools)
            # Frees the prompt for the rest of the answer, which can take minutes.
            del request
            reader = ChunkReader(self._chat_model.codec if has_tools else None)
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
        await self._chat_model.aclose()

    async def _open(self, request: ChatRequest, call: CallRecord) -> ResponseEvents:
        if len(request.history) > MESSAGES_PER_STEP:
            # Validating so many turns has taken milliseconds already.
            await next_step()
        fields = self._form.fields(request)
        payload = self._chat_model.payload(
            to_drafts(request), list(request.sampling.stop) or None, to_parameters(request)
        )
        payload.update(fields)
        return await self._upstream.open(payload, call.attempts)


async def _next(
    events: ResponseEvents, reader: ChunkReader, timer: ProgressTimer
) -> list[Event] | None:
    """Return the next events, or None at the end of the stream.

    After the text is complete, a stream that breaks or stalls counts as ended.

    Raises:
        ServiceError: The stream breaks or stalls before the text is complete.
        UpstreamEventTooLarge: An event exceeds the size limit. It must contain text, so the text
            is not complete.
    """
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

    A limit is one only before the answer: then the request can be repeated after a while.
    """
    limits = (UpstreamRateLimited, UpstreamQuotaExhausted)
    return UpstreamError() if isinstance(failure, limits) else failure


def _deltas(
    reader: ChunkReader, batch: list[Event], *, merge: bool, show_reasoning: bool
) -> tuple[list[Delta], ServiceError | None]:
    """Decode and clear `batch`; return its deltas and the failure that ended them, or None."""
    deltas: list[Delta] = []
    texts: list[str] = []
    reasonings: list[str] = []
    failure = None
    for event in batch:
        try:
            text = reader.add(decode(event))
        except ServiceError as error:
            if not reader.complete:
                failure = error
                break
            reader.deferred_error = reader.deferred_error or error
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
    if merge:
        return [Delta("".join(texts), len(texts) + len(reasonings), "".join(reasonings))]
    return [Delta("", 1, each) for each in reasonings] + [Delta(each) for each in texts]
