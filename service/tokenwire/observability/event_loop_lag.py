"""Measures event-loop lag: how late the event loop runs its timers."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

INTERVAL_SECONDS: Final = 0.25
"""The time between two timers."""


class EventLoopLagMonitor:
    """Schedules a timer every INTERVAL_SECONDS and reports how late each one fires.

    Args:
        observe: Called with the lag, in seconds.
    """

    def __init__(self, observe: Callable[[float], None]) -> None:
        self._observe = observe
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None

    def start(self) -> None:
        """Start measuring the running event loop."""
        loop = asyncio.get_running_loop()
        # uvloop updates the loop's own clock only once per iteration, in milliseconds.
        self._due = due = time.monotonic() + INTERVAL_SECONDS
        self._timer = loop.call_later(INTERVAL_SECONDS, self._fire, due)

    def stop(self) -> None:
        """Stop measuring."""
        if self._timer:
            self._timer.cancel()
        self._due = None

    def overdue(self) -> float:
        """Return the current lag in seconds, or 0 if not started; any thread may call this."""
        due = self._due
        return 0.0 if due is None else max(time.monotonic() - due, 0.0)

    def _fire(self, due: float) -> None:
        self._observe(max(time.monotonic() - due, 0.0))
        self.start()
