"""Converts the sampling parameters of a request."""

from typing import Any, Final

from tokenwire.api.aiplatform.members import MAX_LONG, JsonMembers
from tokenwire.api.aiplatform.untranslated import Untranslated
from tokenwire.api.chatgpt.sampling import MAX_LOGIT_BIASES, MAX_STOPS
from tokenwire.core.errors import InvalidParameter
from tokenwire.v1 import chatgpt_pb2

NUMBERS: Final = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "min_p")
"""Members that openai.Params has by the same names."""
LIMITS: Final = ("max_completion_tokens", "max_tokens")
TIERS: Final = {
    "auto": chatgpt_pb2.SERVICE_TIER_AUTO,
    "default": chatgpt_pb2.SERVICE_TIER_DEFAULT,
    "flex": chatgpt_pb2.SERVICE_TIER_FLEX,
    "priority": chatgpt_pb2.SERVICE_TIER_PRIORITY,
}
MAX_TOKEN: Final = (1 << 31) - 1


def add_sampling(body: JsonMembers, params: chatgpt_pb2.Params, untranslated: Untranslated) -> None:
    """Add the sampling parameters of a request.

    Args:
        body: The body.
        params: Receives the parameters.
        untranslated: Receives the paths of what cannot be translated.

    Raises:
        InvalidParameter: A parameter is of another type; the error names it.
    """
    for name in NUMBERS:
        number = body.number(name)
        if number is not None:
            setattr(params, name, number)
    limits = {name: body.integer(name) for name in LIMITS}
    given = {value for value in limits.values() if value is not None}
    if len(given) > 1:
        raise InvalidParameter("max_tokens", "must equal `max_completion_tokens` if both are set")
    for limit in given:
        params.max_tokens = limit
    seed = body.integer("seed", MAX_LONG)
    if seed is not None:
        params.seed = seed
    top_k = body.integer("top_k")
    if top_k is not None:
        params.top_k = top_k
    params.user = body.text("user") or ""
    params.stop.extend(_stops(body))
    _add_logprobs(body, params)
    for token, bias in _biases(body):
        params.logit_bias[token] = bias
    tier = body.text("service_tier")
    if tier in TIERS:
        params.service_tier = TIERS[tier]
    elif tier:
        untranslated.add("service_tier")


def _stops(body: JsonMembers) -> list[str]:
    value = body.take("stop")
    stops = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(each, str) for each in stops):
        raise InvalidParameter("stop", "must be a string or an array of strings")
    if len(stops) > MAX_STOPS:
        raise InvalidParameter("stop", f"must hold at most {MAX_STOPS} items")
    return stops


def _add_logprobs(body: JsonMembers, params: chatgpt_pb2.Params) -> None:
    wanted = body.flag("logprobs") or False
    top = body.integer("top_logprobs")
    if top is not None:
        if not wanted:
            raise InvalidParameter("top_logprobs", "must not be set without `logprobs`")
        params.top_logprobs = top
    elif wanted:
        params.top_logprobs = 0


def _biases(body: JsonMembers) -> list[tuple[int, float]]:
    value: Any = body.take("logit_bias")
    if value is None:
        return []
    if not isinstance(value, dict):
        raise InvalidParameter("logit_bias", "must be an object")
    if len(value) > MAX_LOGIT_BIASES:
        raise InvalidParameter("logit_bias", f"must hold at most {MAX_LOGIT_BIASES} items")
    found = []
    for token, bias in value.items():
        is_token = token.isdecimal() and token.isascii() and len(token) <= len(str(MAX_TOKEN))
        if not is_token or int(token) > MAX_TOKEN or type(bias) not in (int, float):
            raise InvalidParameter("logit_bias", "must have numbers by the ids of tokens")
        found.append((int(token), JsonMembers(value, "logit_bias").number(token) or 0.0))
    return found
