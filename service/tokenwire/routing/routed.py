"""Answers requests by the routes of the model that they name."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Final, TypeVar

from tokenwire.core import errors
from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import AnswerStream, ChatRequest, Completion
from tokenwire.core.embeddings import EmbeddingRequest, Embeddings
from tokenwire.core.token_counter import TokenCount
from tokenwire.routing.abilities import check_chat, check_embeddings
from tokenwire.routing.blame import attribute
from tokenwire.routing.budget import MAX_BALANCE, RetryBudget
from tokenwire.routing.call_routes import CallRoutes, StartSpan, moves_on, no_span
from tokenwire.routing.gateway import GatewayVersions, RoutedModel
from tokenwire.routing.hedging import hedged
from tokenwire.routing.routes import Lease
from tokenwire.upstreams import Models

Response = TypeVar("Response")

SENT: Final = ChatRequest("", "")
"""Takes the place of a request that is not needed any more."""


class Router:
    """Answers requests of all methods.

    Args:
        versions: The versions of the gateway file; a call keeps the one with which it begins.

    Attributes:
        start_span: Starts the span of a request on a route.
    """

    asks_upstream = True

    def __init__(self, versions: GatewayVersions) -> None:
        self._versions = versions
        self.start_span: StartSpan = no_span
        # Full, so that the first failures of an upstream are paid for until its breaker opens.
        self._budget = RetryBudget(MAX_BALANCE)

    async def stream(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        """Stream the answer to `request`; see `chat_model.ChatModel`."""
        set_by_caller = request.set_by_caller
        with self._versions.use() as gateway:
            model = gateway.model(request.model)
            check_chat(model.abilities, request)
            routes = CallRoutes(model, call, self._budget, self.start_span)
            hedges = False

            def ask(lease: Lease, call: CallRecord) -> AnswerStream:
                name = lease.route.model
                asked = request if name == request.model else request.with_model(name)
                return lease.models.chat.stream(asked, call)

            lease = await routes.first()
            while True:
                begun = False
                with lease:
                    answer = ask(lease, call)
                    if model.hedge_seconds is not None and not hedges:
                        hedges = True
                        answer = hedged(routes, lease, call, ask, model.hedge_seconds)
                    try:
                        async with aclosing(answer):
                            async for event in answer:
                                # A report of progress is no part of the answer.
                                if not begun and (isinstance(event, Completion) or event.tokens):
                                    begun = True
                                    routes.lease.succeed()
                                    # Frees the prompt: no other route gets it any more, and the
                                    # answer can take minutes.
                                    request = SENT
                                yield event
                    except errors.ServiceError as error:
                        failure = error
                        routes.failed(routes.lease, failure)
                    else:
                        return
                if begun or call.attempts.received or not moves_on(failure):
                    raise attribute(failure, set_by_caller) from None
                lease = await routes.after(failure)

    async def count(self, request: ChatRequest, call: CallRecord) -> TokenCount:
        """Return the number of tokens; see `token_counter.TokenCounter`."""

        def ask(models: Models, name: str) -> Awaitable[TokenCount]:
            return models.token_counter.count(request.with_model(name), call)

        def check(model: RoutedModel) -> None:
            check_chat(model.abilities, request)

        return await self._ask(request, call, check, ask)

    async def embed(self, request: EmbeddingRequest, call: CallRecord) -> Embeddings:
        """Return the embeddings; see `embeddings.EmbeddingModel`."""

        def ask(models: Models, name: str) -> Awaitable[Embeddings]:
            if models.embeddings is None:
                description = "embeddings are not supported by the provider of this model"
                raise errors.UnsupportedByModel("model", description)
            return models.embeddings.embed(replace(request, model=name), call)

        def check(model: RoutedModel) -> None:
            check_embeddings(model.abilities)

        return await self._ask(request, call, check, ask)

    async def _ask(
        self,
        request: ChatRequest | EmbeddingRequest,
        call: CallRecord,
        check: Callable[[RoutedModel], None],
        ask: Callable[[Models, str], Awaitable[Response]],
    ) -> Response:
        """Return the response to a unary request."""
        set_by_caller = request.set_by_caller
        with self._versions.use() as gateway:
            model = gateway.model(request.model)
            check(model)
            routes = CallRoutes(model, call, self._budget, self.start_span)
            lease = await routes.first()
            while True:
                with lease:
                    try:
                        response = await ask(lease.models, lease.route.model)
                    except errors.ServiceError as error:
                        failure = error
                        routes.failed(routes.lease, failure)
                    else:
                        lease.succeed()
                        return response
                if call.attempts.received or not moves_on(failure):
                    raise attribute(failure, set_by_caller) from None
                lease = await routes.after(failure)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._versions.aclose()
