"""Models whose use counts against the limits of the caller."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

from tokenwire.core.call_record import CallRecord
from tokenwire.core.chat_model import ChatModel
from tokenwire.core.domain import AnswerStream, ChatRequest, Completion, Usage
from tokenwire.core.embeddings import EmbeddingModel, EmbeddingRequest, Embeddings
from tokenwire.core.token_counter import BYTES_PER_TOKEN, TokenCount, TokenCounter
from tokenwire.limits.limiter import Limiter


def has_limits(call: CallRecord) -> bool:
    """Report whether a call counts against limits."""
    return call.caller is not None and call.caller.limits is not None


class MeteredModel:
    """Answers messages.

    Args:
        model: The model.
        limiter: Gives the leases.
    """

    def __init__(self, model: ChatModel, limiter: Limiter) -> None:
        self._model = model
        self._limiter = limiter

    def stream(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        """Stream the answer to `request`; see `chat_model.ChatModel`."""
        if has_limits(call):
            return self._metered(request, call)
        return self._model.stream(request, call)

    async def _metered(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        lease = await self._limiter.take(
            call,
            price=call.price,
            input_tokens=call.input_estimate,
            max_output_tokens=request.sampling.max_tokens,
        )
        usage: Usage | None = None
        reported = 0
        try:
            async with aclosing(self._model.stream(request, call)) as events:
                # Held by what answers, for as long as it is needed.
                del request
                async for event in events:
                    if isinstance(event, Completion):
                        usage = event.usage
                        lease.settle(usage, paid=True)
                    elif event.tokens:
                        lease.add(max(event.tokens, reported - lease.output_tokens))
                        if lease.overdrawn:
                            await lease.caught_up()
                    yield event
                    # Counts with the next event, so that an answer that is complete is not cut.
                    reported = _output_so_far(call)
        finally:
            if usage is None:
                usage = _at_least(call.usage_reported, lease.output_tokens)
            paid = call.attempts.received or lease.output_tokens > 0
            lease.settle(usage, paid=paid)

    async def aclose(self) -> None:
        """Close the connections to the upstream."""
        await self._model.aclose()


class MeteredCounter:
    """Counts tokens; each count is a request.

    Args:
        counter: The counter.
        limiter: Gives the leases.
    """

    def __init__(self, counter: TokenCounter, limiter: Limiter) -> None:
        self._counter = counter
        self._limiter = limiter
        self.asks_upstream = counter.asks_upstream

    async def count(self, request: ChatRequest, call: CallRecord) -> TokenCount:
        """Return the number of tokens; see `token_counter.TokenCounter`."""
        if not has_limits(call):
            return await self._counter.count(request, call)
        lease = await self._limiter.take(call, price=None, input_tokens=0, max_output_tokens=0)
        try:
            return await self._counter.count(request, call)
        finally:
            lease.settle(None, paid=False)


class MeteredEmbeddings:
    """Turns texts into vectors.

    Args:
        model: The model.
        limiter: Gives the leases.
    """

    def __init__(self, model: EmbeddingModel, limiter: Limiter) -> None:
        self._model = model
        self._limiter = limiter

    async def embed(self, request: EmbeddingRequest, call: CallRecord) -> Embeddings:
        """Return the embeddings; see `embeddings.EmbeddingModel`."""
        if not has_limits(call):
            return await self._model.embed(request, call)
        lease = await self._limiter.take(
            call, price=call.price, input_tokens=_estimate(request.texts), max_output_tokens=0
        )
        try:
            embeddings = await self._model.embed(request, call)
            lease.settle(embeddings.usage, paid=True)
        finally:
            lease.settle(None, paid=call.attempts.received)
        return embeddings


def _estimate(texts: Sequence[str]) -> int:
    return sum(-(-len(text.encode()) // BYTES_PER_TOKEN) for text in texts)


def _output_so_far(call: CallRecord) -> int:
    usage = call.usage_reported
    return usage.output_tokens if usage else 0


def _at_least(usage: Usage | None, output_tokens: int) -> Usage | None:
    """Return a usage that was reported before the end, with the tokens that came since."""
    if usage is None or usage.output_tokens >= output_tokens:
        return usage
    return replace(usage, output_tokens=output_tokens)
