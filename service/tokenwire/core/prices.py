"""The prices of tokens."""

from dataclasses import dataclass
from typing import Final

from tokenwire.core.domain import Usage

TOKENS_PER_PRICE: Final = 1_000_000
NANODOLLARS_PER_MILLIONTH: Final = 1_000
MAX_NANODOLLARS: Final = 2**53
"""Nine million dollars. What an upstream reports can cost more only by a mistake; the contract
has 64 bits for it, and the script of the limits counts exactly up to here."""


@dataclass(frozen=True, slots=True)
class Price:
    """The prices of one model, in US dollars per million tokens.

    Attributes:
        model: The model's name.
        input: The price of input tokens.
        output: The price of output tokens, including reasoning tokens.
        cached_input: The price of input tokens that the upstream served from its cache.
    """

    model: str
    input: float
    output: float
    cached_input: float

    def cost(self, usage: Usage) -> float:
        """Return the cost of an answer in US dollars."""
        return self._millionths(usage) / TOKENS_PER_PRICE

    def nanodollars(self, usage: Usage) -> int:
        """Return the cost of an answer in billionths of a US dollar, at most MAX_NANODOLLARS."""
        return min(round(self._millionths(usage) * NANODOLLARS_PER_MILLIONTH), MAX_NANODOLLARS)

    def _millionths(self, usage: Usage) -> float:
        uncached = max(usage.input_tokens - usage.cached_input_tokens, 0)
        return (
            uncached * self.input
            + usage.cached_input_tokens * self.cached_input
            + usage.output_tokens * self.output
        )
