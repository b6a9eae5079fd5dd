"""Converts a request to the drafts of its messages, and to parameters."""

from typing import Any, Final, NamedTuple

from tokenwire.core.domain import ChatRequest, Role, Turn

MESSAGES_PER_STEP: Final = 256
"""The number of messages that are created per step of large work."""


class Draft(NamedTuple):
    """A message before it is written in the form of an upstream.

    Attributes:
        role: The author.
        content: The text.
        turn: The turn, if it has more than a text; None otherwise.
    """

    role: Role
    content: str
    turn: Turn | None = None


def to_drafts(request: ChatRequest) -> list[Draft]:
    """Return the system prompt if it is set, the history and the message, in this order."""
    drafts = [Draft(Role.SYSTEM, request.system)] if request.system else []
    drafts.extend(
        Draft(turn.role, turn.content, turn if _has_more_than_text(turn) else None)
        for turn in request.history
    )
    if request.parts:
        turn = Turn(Role.USER, request.content, parts=request.parts)
        drafts.append(Draft(Role.USER, request.content, turn))
    elif request.content:
        drafts.append(Draft(Role.USER, request.content))
    return drafts


def _has_more_than_text(turn: Turn) -> bool:
    return bool(turn.tool_calls or turn.tool_call_id or turn.parts or turn.reasoning or turn.state)


def to_parameters(request: ChatRequest) -> dict[str, Any]:
    """Return the parameters that the request sets, except `stop`, by LangChain's names."""
    sampling = request.sampling
    parameters = {
        "model": request.model,
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "user": sampling.user or None,
        "logprobs": True if sampling.top_logprobs is not None else None,
        "top_logprobs": sampling.top_logprobs or None,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "logit_bias": {str(token): bias for token, bias in sampling.logit_bias.items()} or None,
        "service_tier": sampling.service_tier and sampling.service_tier.value,
    }
    return {name: value for name, value in parameters.items() if value is not None}
