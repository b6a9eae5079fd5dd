"""The lean way from an OpenAI-compatible upstream's bytes to the events of an answer."""

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
from tokenwire.upstreams.prompt import to_lines, to_parameters

REST_SECONDS: Final = 2.0
"""How long usage may come after the finish reason."""


class OpenAIModel:
    """Streams plain text, without a message object for each token.

    Args:
        chat_model: Makes the payloads.
        upstream: Where requests go.
        timeouts: Time limits of the upstream.
        merge_tokens: Whether what arrives together is handed out together.
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
            # An answer can take long.
            del request
            answer = ChunkReader()
            with events:
                while (batch := await _next(events, answer, timer)) is not None:
                    was_whole = answer.whole
                    deltas, failure = _texts(answer, batch, merge_tokens=self._merge_tokens)
                    if deltas:
                        call.attempts.read = call.attempts.read or events.read_at
                        timer.progressed()
                        if was_whole:
                            call.deadline.text_resumed()
                    for delta in deltas:
                        yield delta
                    if failure:
                        raise failure
                    if answer.whole and (deltas or not was_whole):
                        # Usage may take a while to come, and no other time may end before it.
                        timer.limit(REST_SECONDS)
                        call.deadline.text_completed(REST_SECONDS)
        yield answer.completion()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._chat_model.aclose()

    async def _open(self, request: ChatRequest, call: CallRecord) -> ResponseEvents:
        payload = self._chat_model.payload(
            to_lines(request), list(request.sampling.stop) or None, to_parameters(request)
        )
        return await self._upstream.open(payload, call.attempts)


async def _next(
    events: ResponseEvents, answer: ChunkReader, timer: ProgressTimer
) -> list[Event] | None:
    """Return the next events, or None at the end of the stream.

    A stream that breaks behind a whole text, or has nothing more in time, ends as it would end
    without the break.

    Raises:
        ServiceError: The text is not whole and the stream breaks or stalls, or an event comes
            that can be nothing but text.
    """
    try:
        with timer:
            return await events.read()
    except UpstreamEventTooLarge:
        raise
    except ServiceError:
        if answer.whole:
            return None
        raise


def _texts(
    answer: ChunkReader, batch: list[Event], *, merge_tokens: bool
) -> tuple[list[Delta], ServiceError | None]:
    """Empty a batch; return its texts, and the failure that cut them short, if one did."""
    texts = []
    failure = None
    for event in batch:
        try:
            text = answer.add(decode(event))
        except ServiceError as error:
            if not answer.whole:
                failure = error
                break
            answer.doubt = answer.doubt or error
            continue
        if text:
            texts.append(text)
    # Whoever handed it over would keep it for as long as the caller takes.
    batch.clear()
    if merge_tokens and len(texts) > 1:
        return [Delta("".join(texts), len(texts))], failure
    return [Delta(text) for text in texts], failure
