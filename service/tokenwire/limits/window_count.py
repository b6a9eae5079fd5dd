"""Counts what was used within a window."""

import math
from typing import Final

from tokenwire.core.limits import Unit, Window
from tokenwire.limits.entries import BUCKETS

UNITS: Final = (Unit.REQUESTS, Unit.TOKENS, Unit.DOLLARS)
REQUESTS: Final = 0
"""The index of calls in `UNITS`."""


class WindowCount:
    """What was used within one window.

    Args:
        window: The window.

    Attributes:
        window: The window.
        unit: The index of its unit in tuples of amounts: requests, tokens, nanodollars.
        used: What was used within it, as of the last `advance`.
    """

    def __init__(self, window: Window) -> None:
        self.window = window
        self.unit = UNITS.index(window.unit)
        self._slides = bool(window.seconds)
        self._width = window.seconds / BUCKETS
        # By the number of the part, or by the begin of the calendar's period.
        self._parts: dict[int, int] = {}
        self._begin, self._end = 0, 0
        """The calendar's period."""
        self._next = math.inf
        """When a part leaves the window."""
        self.used = 0

    def advance(self, now: float) -> None:
        """Forget what has left the window."""
        if not self._slides:
            if not self._begin <= now < self._end:
                self._begin, self._end = self.window.bounds(now)
                for part in [part for part in self._parts if part < self._begin]:
                    self.used -= self._parts.pop(part)
        elif now >= self._next:
            for part in [part for part in self._parts if self._leaves(part) <= now]:
                self.used -= self._parts.pop(part)
            self._next = min(map(self._leaves, self._parts), default=math.inf)

    def used_at(self, now: float) -> int:
        """Return what is used at a time. Changes nothing, so that any thread may ask."""
        # Copied at once, because the thread of the event loop may add a part meanwhile.
        parts = self._parts.copy().items()
        if self._slides:
            return sum(amount for part, amount in parts if self._leaves(part) > now)
        begin, _ = self.window.bounds(now)
        return sum(amount for part, amount in parts if part >= begin)

    def add(self, amount: int, at: float, now: float, *, may_lower: bool) -> None:
        """Count an amount that was used at a time, after `advance`.

        Args:
            amount: The amount. A negative one corrects an estimate.
            at: The time.
            now: The current time.
            may_lower: Whether a window that slides is corrected by a negative amount too, because
                all of it was counted at that time.
        """
        if not amount:
            return
        if self._slides:
            part = math.floor(at / self._width)
            leaves = self._leaves(part)
            if leaves <= now:
                return
            if amount < 0 and not may_lower:
                return
            self._next = min(self._next, leaves)
        else:
            part = self._begin
            if at < part:
                return
        # What was counted in another part cannot be taken back in this one.
        amount = max(amount, -self._parts.get(part, 0))
        self._parts[part] = self._parts.get(part, 0) + amount
        self.used += amount

    def retry_after(self, missing: int, now: float) -> float:
        """Return the seconds until `missing` has left the window.

        Args:
            missing: The amount by which the window is too small for a call.
            now: The current time.
        """
        if not self._slides:
            return self._end - now
        for part in sorted(self._parts):
            missing -= self._parts[part]
            if missing <= 0:
                return self._leaves(part) - now
        # Running calls hold the rest, and may give it back at any time.
        return self._width

    def _leaves(self, part: int) -> float:
        return (part + 1) * self._width + self.window.seconds
