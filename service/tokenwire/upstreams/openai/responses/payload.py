"""Writes the body of a responses request."""

from typing import Any

from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.domain import ChatRequest, Effort
from tokenwire.upstreams.openai.responses.items import input_items
from tokenwire.upstreams.openai.responses.request import request_fields
from tokenwire.upstreams.prompt import to_drafts, to_parameters


def responses_payload(request: ChatRequest, codec: StateCodec) -> dict[str, Any]:
    """Return the body of a request, before encoding.

    Args:
        request: The request, which sets nothing that the API does not have.
        codec: Decodes the state of turns.
    """
    parameters = to_parameters(request)
    # `include` asks for them here.
    parameters.pop("logprobs", None)
    if "max_tokens" in parameters:
        parameters["max_output_tokens"] = parameters.pop("max_tokens")
    # The caller's must not be dropped in silence.
    if "params.temperature" not in request.set_by_caller and not _takes_temperature(request):
        parameters.pop("temperature", None)
    return {
        **parameters,
        **request_fields(request),
        "input": input_items(to_drafts(request), codec),
        "stream": True,
    }


def _takes_temperature(request: ChatRequest) -> bool:
    """Report whether the model accepts a temperature: of GPT-5, only without reasoning."""
    model = request.model
    return (
        not model.startswith("gpt-5") or "chat" in model or request.reasoning.effort is Effort.NONE
    )
