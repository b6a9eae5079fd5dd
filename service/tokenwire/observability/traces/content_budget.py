"""Limits the bytes of prompts and answers that unexported spans hold."""

import sys
import threading
from typing import Final, Self

CONTENT_BYTES: Final = 64 * 1024 * 1024
"""The budget of one process. Without it, a slow collector would let 2,048 spans wait in the
queue, each with megabytes of text."""


class ContentBudget:
    """Counts the bytes of texts until they are deallocated.

    Attributes:
        used_bytes: The bytes that are in use.
    """

    def __init__(self) -> None:
        self.used_bytes = 0
        # Reentrant: a text may be deallocated in this thread while another one is counted.
        self._lock = threading.RLock()

    def reserve(self, text: str) -> str | None:
        """Return a copy of the text that is counted until it is deallocated.

        Returns:
            None if the budget has no room for the text.
        """
        size = sys.getsizeof(text)
        with self._lock:
            if self.used_bytes + size > CONTENT_BYTES:
                return None
            self.used_bytes += size
        return _CountedText.of(text, self, size)

    def release(self, size: int) -> None:
        """Return `size` bytes to the budget."""
        with self._lock:
            self.used_bytes -= size


class _CountedText(str):
    """A text that releases its bytes when it is deallocated.

    Spans pass through queues and threads of the SDK, which has no hook for their end.
    """

    __slots__ = ("_budget", "_size")

    _budget: ContentBudget
    _size: int

    @classmethod
    def of(cls, text: str, budget: ContentBudget, size: int) -> Self:
        counted = cls(text)
        counted._budget, counted._size = budget, size
        return counted

    def __del__(self) -> None:
        self._budget.release(self._size)
