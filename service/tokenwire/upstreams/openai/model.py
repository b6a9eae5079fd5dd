"""Streams answers from an OpenAI-compatible upstream as domain events."""

from contextlib import closing
from typing import Final

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import AnswerStream, ChatRequest, Delta
from tokenwire.core.errors import ServiceError, UpstreamEventTooLarge
from tokenwire.upstreams.http.sse import Event
from tokenwire.upstreams.openai.chat_model import StreamingChatOpenAI
from tokenwire.upstreams.openai.chunks import ChunkReader, decode
from tokenwire.upstreams.openai.response_events import ResponseEvents
from tokenwire.upstreams.openai.upstream import Upstream
from tokenwire.upstreams.progress_timer import ProgressTimer, Timeouts
from tokenwire.upstreams.prompt import to_drafts, to_parameters

USAGE_SECONDS: Final = 2.0
"""How long usage may arrive after the finish reason."""


class OpenAIModel:
    """Streams text without creating a LangChain message per token.

    Args:
        chat_model: Builds the payloads.
        upstream: The upstream that receives the requests.
        timeouts: The upstream's time limits.
        merge_tokens: Whether tokens that arrive together are merged into one Delta.
    """

    def __init__(
        self,
        chat_model: StreamingChatOpenAI,
        upstream: Upstream,
        timeouts: Timeouts,
        *,
        merge_tokens: bool,
    ) -> None:
        self._chat_model = chat_model
        self._upstream = upstream
        self._timeouts = timeouts
        self._merge_tokens = merge_tokens

    async def stream(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        """Stream the answer to `request`; see `chat_model.ChatModel`."""
        with closing(ProgressTimer(call.attempts.asked, self._timeouts)) as timer:
            with timer:
                events = await self._open(request, call)
            # Frees the prompt for the rest of the answer, which can take minutes.
            del request
            reader = ChunkReader()
            with events:
                while (batch := await _next(events, reader, timer)) is not None:
                    was_complete = reader.complete
                    deltas, failure = _texts(reader, batch, merge_tokens=self._merge_tokens)
                    if deltas:
                        call.attempts.read = call.attempts.read or events.read_at
                        timer.progressed()
                        if was_complete:
                            call.deadline.text_resumed()
                    for delta in deltas:
                        yield delta
                    if failure:
                        raise failure
                    if reader.complete and (deltas or not was_complete):
                        # Usage may arrive after the idle timeout and after the call's deadline.
                        timer.limit(USAGE_SECONDS)
                        call.deadline.text_completed(USAGE_SECONDS)
        yield reader.completion()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._chat_model.aclose()

    async def _open(self, request: ChatRequest, call: CallRecord) -> ResponseEvents:
        payload = self._chat_model.payload(
            to_drafts(request), list(request.sampling.stop) or None, to_parameters(request)
        )
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


def _texts(
    reader: ChunkReader, batch: list[Event], *, merge_tokens: bool
) -> tuple[list[Delta], ServiceError | None]:
    """Decode and clear `batch`; return its texts and the failure that ended them, or None."""
    texts = []
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
        if text:
            texts.append(text)
    # Frees the events: the caller's frame refers to the list while it waits for its reader.
    batch.clear()
    if merge_tokens and len(texts) > 1:
        return [Delta("".join(texts), len(texts))], failure
    return [Delta(text) for text in texts], failure
