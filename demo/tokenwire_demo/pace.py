"""When tokens are due."""

import time


class Pace:
    """When the next token is due.

    Args:
        time_to_first_token: Seconds from the request to the first token.
        tokens_per_second: 0 for as fast as possible.
    """

    def __init__(self, time_to_first_token: float, tokens_per_second: float) -> None:
        self._started = time.monotonic()
        self._begun = False
        self.set(time_to_first_token, tokens_per_second)

    def set(self, time_to_first_token: float | None, tokens_per_second: float | None) -> None:
        """Change the pace from here on; None leaves it as it is."""
        if time_to_first_token is not None and not self._begun:
            self._due = self._started + time_to_first_token
        if tokens_per_second is not None:
            self._gap = 1 / tokens_per_second if tokens_per_second else 0.0
            self.paced = self._gap > 0

    def resume(self) -> None:
        """Go on after a pause without making up for lost time."""
        self._due = max(self._due, time.monotonic())

    def seconds_to_wait(self) -> float:
        """Return how long the next token must wait; it counts as sent after that."""
        wait = self._due - time.monotonic()
        self._begun = True
        self._due += self._gap
        return wait
