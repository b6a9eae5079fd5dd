"""Estimates tokens for LangChain's providers, whose chat models have no common counter."""

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import ChatRequest
from tokenwire.core.token_counter import TokenCount, estimate
from tokenwire.upstreams.langchain.model import LangChainModel


class LangChainTokenCounter:
    """Rejects what the model rejects, and estimates.

    Args:
        model: The model.
    """

    asks_upstream = False

    def __init__(self, model: LangChainModel) -> None:
        self._model = model

    async def count(self, request: ChatRequest, call: CallRecord) -> TokenCount:
        """Return the estimate; see `token_counter.TokenCounter`."""
        del call
        self._model.check(request)
        return await estimate(request)
