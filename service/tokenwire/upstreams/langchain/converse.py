"""Sends requests to Bedrock's ConverseStream, behind LangChain's interface of chat models."""

from collections.abc import AsyncIterator
from typing import Any, Final, NoReturn
from urllib.parse import quote

import msgspec
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from tokenwire.core.errors import ServiceError
from tokenwire.upstreams.http.client import HttpClient
from tokenwire.upstreams.langchain.aws_event_stream import AwsEventStream
from tokenwire.upstreams.langchain.aws_signer import AwsSigner
from tokenwire.upstreams.langchain.body import Body
from tokenwire.upstreams.langchain.exchange import EXCHANGE, ProviderExchange
from tokenwire.upstreams.langchain.transport import send
from tokenwire.upstreams.openai.body import request_body

HEADERS: Final = {
    "content-type": "application/json",
    "accept": "application/vnd.amazon.eventstream",
}


class ConverseSender:
    """Sends requests to ConverseStream, and reads the responses.

    Args:
        client: Sends the requests.
        base_url: The address of the upstream, without a slash at its end.
        signer: Signs the requests.
    """

    def __init__(self, client: HttpClient, base_url: str, signer: AwsSigner) -> None:
        self._client = client
        self._base_url = base_url
        self._signer = signer

    async def events(self, model: str) -> AsyncIterator[dict[str, str]]:
        """Send the request of the current exchange, and yield its events as `read_event` does.

        Raises:
            ServiceError: The request fails or is rejected, or the answer breaks.
        """
        exchange = EXCHANGE.get()
        exchange.sent = True
        exchange.facts.model = model
        try:
            body = await self._open(model, exchange)
        except ServiceError as error:
            exchange.failure = error
            raise
        async for data in body:
            for line in data.splitlines():
                yield msgspec.json.decode(line, type=dict[str, str])

    async def _open(self, model: str, exchange: ProviderExchange) -> Body:
        payload: dict[str, Any] = {}
        assert exchange.amend  # noqa: S101 - the dialect amends every request
        exchange.amend(payload)
        body = await request_body(payload)
        url = f"{self._base_url}/model/{quote(model, safe='')}/converse-stream"
        headers = await self._signer.sign(url, HEADERS, body, payload)
        headers["accept-encoding"] = "identity"
        response = await send(self._client, url, headers, body, exchange)
        return Body(response, AwsEventStream(), exchange)


class ConverseChatModel(BaseChatModel):
    """ConverseStream behind LangChain's interface.

    `langchain-aws` has a chat model for it, but no asynchronous one: see ADR 28.

    Attributes:
        model: The name or the ARN of the model.
        sender: Sends the requests.
    """

    model: str
    sender: Any

    @property
    def _llm_type(self) -> str:
        return "bedrock"

    def _generate(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        """Yield a chunk for each event; see `BaseChatModel`. The exchange has the request."""
        del args, kwargs
        async for event in self.sender.events(self.model):
            reasoning = event.get("reasoning", "")
            message = AIMessageChunk(
                content=event.get("text", ""),
                additional_kwargs={"reasoning_content": reasoning} if reasoning else {},
            )
            yield ChatGenerationChunk(message=message)
