"""How much of what was said the spans of a process may hold, from the call to the export."""

import sys
import threading
from typing import Final, Self

CONTENT_BYTES: Final = 64 * 1024 * 1024
"""A collector that is slow or down keeps 2,048 spans waiting, each with up to megabytes."""


class ContentBudget:
    """Counts the bytes of texts as long as anything refers to them.

    Attributes:
        held: How many bytes there are.
    """

    def __init__(self) -> None:
        self.held = 0
        # A text may end while another is counted, in the same thread or in an exporter's.
        self._lock = threading.RLock()

    def hold(self, text: str) -> str | None:
        """Return the text, counted until its end; None if there is no room for it."""
        size = sys.getsizeof(text)
        with self._lock:
            if self.held + size > CONTENT_BYTES:
                return None
            self.held += size
        return _Held.of(text, self, size)

    def release(self, size: int) -> None:
        """Count `size` bytes no more."""
        with self._lock:
            self.held -= size


class _Held(str):
    """A text that tells its end: spans go through queues and threads of the SDK."""

    __slots__ = ("_budget", "_size")

    _budget: ContentBudget
    _size: int

    @classmethod
    def of(cls, text: str, budget: ContentBudget, size: int) -> Self:
        held = cls(text)
        held._budget, held._size = budget, size
        return held

    def __del__(self) -> None:
        self._budget.release(self._size)
