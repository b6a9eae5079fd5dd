"""Reads log probabilities. What is not one is ignored: they are never worth an answer."""

import math
from typing import Any, Final

import msgspec

from tokenwire.core.domain import TokenLogprob, TopLogprob

MAX_TOP: Final = 20
KEYS: Final = ("content", "refusal")
"""The lists of tokens of chat completions."""


def read_logprobs(encoded: msgspec.Raw) -> tuple[TokenLogprob, ...]:
    """Return the tokens in the `logprobs` of a choice or of an event with text."""
    try:
        value = msgspec.json.decode(encoded) if len(encoded) else None
    except (ValueError, RecursionError):
        return ()
    if isinstance(value, dict):
        value = next((value[key] for key in KEYS if value.get(key)), None)
    if not isinstance(value, list):
        return ()
    return tuple(_token(item) for item in value if _is_token(item))


def _token(item: dict[str, Any]) -> TokenLogprob:
    top = item.get("top_logprobs")
    others = tuple(
        TopLogprob(each["token"], _logprob(each), _raw(each))
        for each in (top if isinstance(top, list) else ())[:MAX_TOP]
        if _is_token(each)
    )
    return TokenLogprob(item["token"], _logprob(item), _raw(item), others)


def _is_token(item: object) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get("token"), str)
        and isinstance(item.get("logprob"), int | float)
    )


def _logprob(item: dict[str, Any]) -> float:
    value = float(item["logprob"])
    return value if math.isfinite(value) else -math.inf


def _raw(item: dict[str, Any]) -> bytes:
    value = item.get("bytes")
    try:
        return bytes(value) if isinstance(value, list) else b""
    except (TypeError, ValueError):
        return b""
