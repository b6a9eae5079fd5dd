"""How often Python's garbage collector runs."""

import gc
from typing import Final

THRESHOLD: Final = 5_000
"""New objects before the collector looks for cycles among them."""


def tune_collector() -> None:
    """Keep the garbage collector off what lives as long as the process, and rare otherwise.

    A call frees its objects by reference counts; collecting only finds cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(THRESHOLD)
