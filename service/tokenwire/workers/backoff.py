"""How long to wait before a worker that has ended is started again."""

from typing import Final

FIRST_SECONDS: Final = 0.5
MOST_SECONDS: Final = 30.0
HEALTHY_SECONDS: Final = 60.0
"""Who served so long has not crashed at once: the next wait is none again."""


class Backoff:
    """Doubles the wait with each end that comes soon; the first restart does not wait."""

    def __init__(self) -> None:
        self._next = 0.0

    def delay(self, served_seconds: float) -> float:
        """Return the seconds to wait after a worker that has served for `served_seconds`."""
        if served_seconds >= HEALTHY_SECONDS:
            self._next = 0.0
        delay = self._next
        self._next = min(max(2 * delay, FIRST_SECONDS), MOST_SECONDS)
        return delay
