"""Asks a chat model of which nothing is known but LangChain's interface."""

import json
from typing import Any, Final

import msgspec
from langchain_core.language_models import BaseChatModel

from tokenwire.core.attempts import Attempts
from tokenwire.core.domain import ChatRequest
from tokenwire.upstreams.langchain.backend import Answering, Chunks
from tokenwire.upstreams.langchain.messages import to_messages
from tokenwire.upstreams.langchain.support import check_support, not_supported
from tokenwire.upstreams.openai.tool_fields import tool_fields
from tokenwire.upstreams.prompt import to_drafts, to_parameters

FIELDS: Final = frozenset(
    {
        *(f"params.{name}" for name in ("temperature", "max_tokens", "top_p", "stop", "seed")),
        *("params.frequency_penalty", "params.presence_penalty", "params.user"),
        *("tool_choice.mode", "tool_choice.name", "tool_choice.parallel", "tools.strict"),
        *("parts.image", "parts.audio", "parts.file", "parts.url"),
    }
)
"""The fields that LangChain has a common name for. A model may still ignore one of them."""


class GenericBackend:
    """Asks any chat model, with LangChain's names of the parameters.

    Args:
        model: The chat model.
    """

    def __init__(self, model: BaseChatModel) -> None:
        self._model = model

    def check(self, request: ChatRequest) -> None:
        """Reject what the model does not take; see `Backend`."""
        check_support(request, FIELDS)
        _tool_parameters(self._model, request)

    async def ask(self, request: ChatRequest, attempts: Attempts) -> Answering:
        """Prepare the answer to `request`; see `Backend`."""
        del attempts
        check_support(request, FIELDS)
        messages = await to_messages(to_drafts(request))
        stop = list(request.sampling.stop) or None
        parameters = to_parameters(request) | _tool_parameters(self._model, request)
        # BaseChatModel declares _astream as an async iterator, but it is an async generator.
        chunks: Chunks = self._model._astream(  # type: ignore[assignment]  # noqa: SLF001 - see LangChainModel
            messages, stop, **parameters
        )
        return Answering(chunks, None)

    async def aclose(self) -> None:
        """Do nothing: LangChain's chat models have no common close method."""


def _tool_parameters(model: BaseChatModel, request: ChatRequest) -> dict[str, Any]:
    """Return the parameters for the request's tools, in the format of the model's provider."""
    if not request.tools:
        return {}
    fields = json.loads(msgspec.json.encode(tool_fields(request)))
    choice = fields.pop("tool_choice", None)
    try:
        bound = model.bind_tools(
            fields.pop("tools"), **({"tool_choice": choice} if choice else {}), **fields
        )
    except Exception:  # noqa: BLE001 - packages raise exceptions of any type
        raise not_supported("tools") from None
    kwargs: dict[str, Any] = getattr(bound, "kwargs", {})
    return kwargs
