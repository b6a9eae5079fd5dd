"""Retries unary requests within the budget that they share with streams."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import ChatRequest
from tokenwire.core.embeddings import EmbeddingModel, EmbeddingRequest, Embeddings
from tokenwire.core.errors import ServiceError
from tokenwire.core.token_counter import TokenCount, TokenCounter
from tokenwire.routing.blame import attribute
from tokenwire.routing.budget import RetryBudget
from tokenwire.routing.retry import can_retry, retry_delay

Response = TypeVar("Response")


class UnaryRetries:
    """Retries a request once if it fails before its response has begun.

    A failure that the caller caused is raised as a caller's error.

    Args:
        first_token_seconds: See `RetryingModel`.
        budget: The budget.
    """

    def __init__(self, first_token_seconds: float, budget: RetryBudget) -> None:
        self._first_token_seconds = first_token_seconds
        self._budget = budget

    async def run(
        self,
        ask: Callable[[], Awaitable[Response]],
        call: CallRecord,
        set_by_caller: frozenset[str],
    ) -> Response:
        """Return the response to a request.

        Args:
            ask: Sends the request.
            call: The record of the call.
            set_by_caller: See `ChatRequest`.

        Raises:
            ServiceError: The request failed.
        """
        self._budget.deposit()
        try:
            return await ask()
        except ServiceError as error:
            delay = retry_delay(error)
            if (
                call.attempts.received
                or delay is None
                or not can_retry(delay, call, self._first_token_seconds, self._budget)
            ):
                raise attribute(error, set_by_caller) from None
            call.attempts.add_retry(error.reason, delay)
        await asyncio.sleep(delay)
        try:
            return await ask()
        except ServiceError as error:
            raise attribute(error, set_by_caller) from None


class RetryingCounter:
    """A token counter that retries requests to the upstream.

    Args:
        counter: The counter.
        retries: The retries.
    """

    def __init__(self, counter: TokenCounter, retries: UnaryRetries) -> None:
        self.asks_upstream = counter.asks_upstream
        self._counter = counter
        self._retries = retries

    async def count(self, request: ChatRequest, call: CallRecord) -> TokenCount:
        """Return the number of tokens; see `token_counter.TokenCounter`."""
        if not self.asks_upstream:
            return await self._counter.count(request, call)
        return await self._retries.run(
            lambda: self._counter.count(request, call), call, request.set_by_caller
        )


class RetryingEmbeddings:
    """An embedding model that retries requests.

    Args:
        model: The model.
        retries: The retries.
    """

    def __init__(self, model: EmbeddingModel, retries: UnaryRetries) -> None:
        self._model = model
        self._retries = retries

    async def embed(self, request: EmbeddingRequest, call: CallRecord) -> Embeddings:
        """Return the embeddings; see `embeddings.EmbeddingModel`."""
        return await self._retries.run(
            lambda: self._model.embed(request, call), call, request.set_by_caller
        )
