"""Converts the usage of a call."""

from typing import Final

from tokenwire.core.domain import Usage
from tokenwire.core.prices import Price
from tokenwire.xai.v1 import xai_pb2 as pb

TICKS_PER_NANODOLLAR: Final = 10
MAX_COUNT: Final = (1 << 31) - 1
"""The most that a count can be on the wire."""


def to_sampling_usage(usage: Usage, price: Price | None) -> pb.SamplingUsage:
    """Convert the usage of a call to a message.

    Args:
        usage: The usage.
        price: The price of the model; None if unknown.
    """
    text = max(usage.output_tokens - usage.reasoning_tokens, 0)
    return pb.SamplingUsage(
        completion_tokens=_count(text),
        prompt_tokens=_count(usage.input_tokens),
        total_tokens=_count(usage.input_tokens + usage.output_tokens),
        prompt_text_tokens=_count(usage.input_tokens),
        reasoning_tokens=_count(usage.reasoning_tokens),
        cached_prompt_text_tokens=_count(usage.cached_input_tokens),
        cost_in_usd_ticks=price.nanodollars(usage) * TICKS_PER_NANODOLLAR if price else None,
    )


def _count(tokens: int) -> int:
    return min(tokens, MAX_COUNT)
