"""A budget for requests beyond the first of a call, so that they do not amplify an outage."""

from typing import Final

RETRY_COST: Final = 10
"""Calls that must be counted per extra request, which limits them to 10 % of the calls."""
MAX_BALANCE: Final = 10 * RETRY_COST


class RetryBudget:
    """A token bucket: each call deposits one token, each extra request withdraws RETRY_COST.

    It holds at most MAX_BALANCE tokens.

    Args:
        balance: The tokens that it holds at the start.
    """

    def __init__(self, balance: int = 0) -> None:
        self._balance = balance

    def deposit(self) -> None:
        """Count a call."""
        self._balance = min(self._balance + 1, MAX_BALANCE)

    def withdraw(self) -> bool:
        """Pay for an extra request; return False if the balance is too low."""
        if self._balance < RETRY_COST:
            return False
        self._balance -= RETRY_COST
        return True
