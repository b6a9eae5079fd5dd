"""How late the event loop is, which is how late everything else is too."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

EVERY_SECONDS: Final = 0.25


class LagMeter:
    """One timer that tells how late it fired, over and over, until stopped.

    Args:
        observe: Told the seconds.
    """

    def __init__(self, observe: Callable[[float], None]) -> None:
        self._observe = observe
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None

    def start(self) -> None:
        """Begin to measure the running event loop."""
        loop = asyncio.get_running_loop()
        # Not by the loop's own clock, which uvloop reads once a round, in milliseconds.
        self._due = due = time.monotonic() + EVERY_SECONDS
        self._timer = loop.call_later(EVERY_SECONDS, self._fire, due)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer:
            self._timer.cancel()
        self._due = None

    def overdue(self) -> float:
        """Return for how many seconds the event loop is late by now; any thread may call this.

        It is 0 while nothing is measured.
        """
        due = self._due
        return 0.0 if due is None else max(time.monotonic() - due, 0.0)

    def _fire(self, due: float) -> None:
        self._observe(max(time.monotonic() - due, 0.0))
        self.start()
