"""How a LangChain chat model is asked."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from langchain_core.outputs import ChatGenerationChunk

from tokenwire.core.attempts import Attempts
from tokenwire.core.domain import ChatRequest
from tokenwire.upstreams.langchain.exchange import ProviderExchange

Chunks: TypeAlias = AsyncGenerator[ChatGenerationChunk]


@dataclass(frozen=True, slots=True)
class Answering:
    """An answer that is about to begin; its first chunk sends the request.

    Attributes:
        chunks: The chunks of the answer.
        exchange: The HTTP exchange; None if the package sends its requests itself.
    """

    chunks: Chunks
    exchange: ProviderExchange | None


class Backend(Protocol):
    """A chat model of LangChain, or all those of one provider."""

    def check(self, request: ChatRequest) -> None:
        """Reject what the model does not take.

        Raises:
            InvalidParameter: The model has no counterpart for a field that is set.
        """
        ...

    async def ask(self, request: ChatRequest, attempts: Attempts) -> Answering:
        """Prepare the answer to `request`.

        Raises:
            InvalidParameter: The model has no counterpart for a field that is set.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections to the upstream."""
        ...
