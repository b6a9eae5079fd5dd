"""Determines when tokens are due."""

import time


class Pace:
    """Determines when the next token is due.

    Args:
        time_to_first_token: Seconds from the request to the first token.
        tokens_per_second: The pace; 0 for no limit.
    """

    def __init__(self, time_to_first_token: float, tokens_per_second: float) -> None:
        self._started = time.monotonic()
        self._begun = False
        self.set(time_to_first_token, tokens_per_second)

    def set(self, time_to_first_token: float | None, tokens_per_second: float | None) -> None:
        """Change the pace. None keeps the current value."""
        if time_to_first_token is not None and not self._begun:
            self._due = self._started + time_to_first_token
        if tokens_per_second is not None:
            self._gap = 1 / tokens_per_second if tokens_per_second else 0.0
            self.paced = self._gap > 0

    def resume(self) -> None:
        """Continue after a pause without catching up."""
        self._due = max(self._due, time.monotonic())

    def seconds_to_wait(self) -> float:
        """Return the seconds until the next token is due, and advance to the token after it."""
        wait = self._due - time.monotonic()
        self._begun = True
        self._due += self._gap
        return wait
