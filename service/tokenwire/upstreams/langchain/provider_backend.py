"""Asks the chat models of a provider that is held to the failure table."""

from functools import partial

from tokenwire.core.attempts import Attempts
from tokenwire.core.domain import ChatRequest
from tokenwire.upstreams.http.client import HttpClient
from tokenwire.upstreams.langchain.backend import Answering, Chunks
from tokenwire.upstreams.langchain.exchange import EXCHANGE, ProviderExchange
from tokenwire.upstreams.langchain.failures import failure_of
from tokenwire.upstreams.langchain.messages import to_messages
from tokenwire.upstreams.langchain.provider import Provider, ProviderDialect
from tokenwire.upstreams.langchain.support import check_support
from tokenwire.upstreams.prompt import to_drafts


class ProviderBackend:
    """Asks the models of one provider over the service's own HTTP client.

    Args:
        name: The provider's name.
        provider: What is known of it.
        dialect: Its package and its wire format.
        client: The client that the dialect sends its requests with.
        key: The service's key, or empty.
    """

    def __init__(
        self, name: str, provider: Provider, dialect: ProviderDialect, client: HttpClient, key: str
    ) -> None:
        self._name = name
        self._provider = provider
        self._dialect = dialect
        self._client = client
        self._key = key

    def check(self, request: ChatRequest) -> None:
        """Reject what the provider does not take; see `Backend`."""
        check_support(request, self._provider.fields, self._name)
        self._dialect.parameters(request)

    async def ask(self, request: ChatRequest, attempts: Attempts) -> Answering:
        """Prepare the answer to `request`; see `Backend`."""
        check_support(request, self._provider.fields, self._name)
        dialect = self._dialect
        parameters = dialect.parameters(request)
        try:
            model = dialect.chat_model(request.model)
        except Exception as error:  # noqa: BLE001 - packages raise exceptions of any type
            raise failure_of(error, sent=False, received=False) from None
        messages = await to_messages(to_drafts(request))
        amend = partial(dialect.amend, request) if dialect.amends(request) else None
        exchange = ProviderExchange(attempts, self._key, amend, dialect.observe)
        EXCHANGE.set(exchange)
        # BaseChatModel declares _astream as an async iterator, but it is an async generator.
        chunks: Chunks = model._astream(messages, **parameters)  # type: ignore[assignment]  # noqa: SLF001 - see LangChainModel
        return Answering(chunks, exchange)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()
