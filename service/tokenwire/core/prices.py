"""What tokens cost."""

from dataclasses import dataclass
from typing import Final

from tokenwire.core.domain import Usage

PER: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens of one model.

    Attributes:
        model: The model's name.
        input: For input tokens.
        output: For output tokens, reasoning included.
        cached_input: For those input tokens that the upstream had cached.
    """

    model: str
    input: float
    output: float
    cached_input: float

    def of(self, usage: Usage) -> float:
        """Return the price of an answer in dollars."""
        fresh = max(usage.input_tokens - usage.cached_input_tokens, 0)
        return (
            fresh * self.input
            + usage.cached_input_tokens * self.cached_input
            + usage.output_tokens * self.output
        ) / PER
