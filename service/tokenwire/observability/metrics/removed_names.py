"""The bound on the series of what was removed from the gateway file."""

from collections.abc import Callable, Collection, Iterable
from typing import Final

MAX_REMOVED: Final = 1_000
"""The number of removed names whose series are kept."""


class RemovedNames:
    """The names that were removed last, whose series are still exported.

    The series are kept so that calls that still run are counted, and the last counts are scraped.
    The limit keeps a file that often changes from filling the memory.

    Args:
        drop: Called with a name whose series must be removed.
    """

    def __init__(self, drop: Callable[[str], None]) -> None:
        self._drop = drop
        self._removed: dict[str, None] = {}

    def update(self, removed: Iterable[str], present: Collection[str]) -> None:
        """Record a change, and drop the names that were removed first if there are too many.

        Args:
            removed: The names that are not present any more, known ones included.
            present: The names that are present now.
        """
        for name in self._removed.keys() & present:
            del self._removed[name]
        self._removed |= dict.fromkeys(sorted(removed))
        for name in [*self._removed][: max(len(self._removed) - MAX_REMOVED, 0)]:
            del self._removed[name]
            self._drop(name)
