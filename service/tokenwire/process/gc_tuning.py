"""Tunes Python's garbage collector for a process that serves many short calls."""

import gc
from typing import Final

THRESHOLD: Final = 5_000
"""The number of new container objects after which the youngest generation is collected."""


def tune_collector() -> None:
    """Exempt the objects that exist now from collection, and make collections rare.

    Reference counts free the objects of a call; the collector is needed only for cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(THRESHOLD)
