"""Converts the sampling parameters of a request. The functions have no side effects."""

from collections.abc import Mapping
from typing import Final

from tokenwire.core.domain import Sampling, ServiceTier
from tokenwire.core.errors import InvalidParameter
from tokenwire.v1 import chatgpt_pb2 as pb

MAX_STOPS: Final = 4
MAX_NAME_BYTES: Final = 256
MAX_TOP_LOGPROBS: Final = 20
MAX_LOGIT_BIASES: Final = 1_024
MAX_LOGIT_BIAS: Final = 100

SERVICE_TIERS: Final = {
    pb.SERVICE_TIER_UNSPECIFIED: None,
    pb.SERVICE_TIER_AUTO: ServiceTier.AUTO,
    pb.SERVICE_TIER_DEFAULT: ServiceTier.DEFAULT,
    pb.SERVICE_TIER_FLEX: ServiceTier.FLEX,
    pb.SERVICE_TIER_PRIORITY: ServiceTier.PRIORITY,
}


def to_sampling(params: pb.Params, temperature: float | None) -> Sampling:
    """Return the sampling parameters of a request.

    Args:
        params: The parameters of the request.
        temperature: The temperature if the request sets none.

    Raises:
        InvalidParameter: A parameter is out of range; the error names it.
    """
    if len(params.stop) > MAX_STOPS:
        raise InvalidParameter("params.stop", f"must hold at most {MAX_STOPS} items")
    asked_temperature = _number(params, "temperature", 0, 2)
    top_p = _number(params, "top_p", 0, 1)
    if top_p == 0:
        raise InvalidParameter("params.top_p", "must be above 0 and at most 1")
    stop = tuple(params.stop)
    if not all(stop):
        raise InvalidParameter("params.stop", "must hold no empty text")
    if params.service_tier not in SERVICE_TIERS:
        names = ", ".join(pb.ServiceTier.keys())
        raise InvalidParameter("params.service_tier", f"must be one of {names}")
    user = params.user
    check_name("params.user", user)
    return Sampling(
        temperature=temperature if asked_temperature is None else asked_temperature,
        max_tokens=_count(params, "max_tokens"),
        top_p=top_p,
        stop=stop,
        seed=params.seed if params.HasField("seed") else None,
        frequency_penalty=_number(params, "frequency_penalty", -2, 2),
        presence_penalty=_number(params, "presence_penalty", -2, 2),
        user=user,
        top_logprobs=_top_logprobs(params),
        top_k=_count(params, "top_k"),
        min_p=_number(params, "min_p", 0, 1),
        logit_bias=_logit_bias(params.logit_bias),
        service_tier=SERVICE_TIERS[params.service_tier],
    )


def _top_logprobs(params: pb.Params) -> int | None:
    if not params.HasField("top_logprobs"):
        return None
    if not 0 <= params.top_logprobs <= MAX_TOP_LOGPROBS:
        raise InvalidParameter("params.top_logprobs", f"must be from 0 to {MAX_TOP_LOGPROBS}")
    return params.top_logprobs


def _logit_bias(bias: Mapping[int, float]) -> dict[int, float]:
    if len(bias) > MAX_LOGIT_BIASES:
        raise InvalidParameter("params.logit_bias", f"must hold at most {MAX_LOGIT_BIASES} items")
    found = {}
    for token in sorted(bias):
        value = bias[token]
        if not -MAX_LOGIT_BIAS <= value <= MAX_LOGIT_BIAS:  # also catches NaN
            limits = f"must be from {-MAX_LOGIT_BIAS} to {MAX_LOGIT_BIAS}"
            raise InvalidParameter(f"params.logit_bias[{token}]", limits)
        found[token] = round(value, 6)
    return found


def _count(params: pb.Params, name: str) -> int | None:
    # The stubs require a literal name; every caller passes an existing field.
    if not params.HasField(name):  # type: ignore[arg-type]
        return None
    value: int = getattr(params, name)
    if value < 1:
        raise InvalidParameter(f"params.{name}", "must be at least 1")
    return value


def _number(params: pb.Params, name: str, low: float, high: float) -> float | None:
    # The stubs require a literal name; every caller passes an existing field.
    if not params.HasField(name):  # type: ignore[arg-type]
        return None
    value: float = getattr(params, name)
    if not low <= value <= high:  # also catches NaN
        raise InvalidParameter(f"params.{name}", f"must be from {low} to {high}")
    # The wire format is a 32-bit float: 0.7 arrives as 0.699999988079071.
    return round(value, 6)


def check_name(field: str, value: str) -> None:
    """Check a name that the caller chose.

    Raises:
        InvalidParameter: The name is too long or not printable.
    """
    if len(value.encode()) > MAX_NAME_BYTES or not value.isprintable():
        raise InvalidParameter(field, f"must be printable and at most {MAX_NAME_BYTES} bytes")
