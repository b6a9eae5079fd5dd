"""The exponential backoff of worker restarts."""

from typing import Final

INITIAL_SECONDS: Final = 0.5
"""The delay of the second restart in a row."""
MAX_SECONDS: Final = 30.0
"""The longest delay."""
HEALTHY_SECONDS: Final = 60.0
"""The time of serving after which the backoff is reset."""


class Backoff:
    """Doubles the delay with each early end of a worker; the first restart has no delay."""

    def __init__(self) -> None:
        self._next = 0.0

    def delay(self, served_seconds: float) -> float:
        """Return the seconds to wait before a restart.

        Args:
            served_seconds: How long the worker served before it ended.
        """
        if served_seconds >= HEALTHY_SECONDS:
            self._next = 0.0
        delay = self._next
        self._next = min(max(2 * delay, INITIAL_SECONDS), MAX_SECONDS)
        return delay
