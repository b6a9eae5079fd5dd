"""How long the event loop is kept from everything else."""

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


class LoopWatch:
    """The longest round of the event loop so far.

    Attributes:
        longest: Seconds of CPU time, so that a busy machine changes little.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._loop = asyncio.get_running_loop()
        self._begun = time.thread_time()
        self._next = self._loop.call_soon(self._round)

    def stop(self) -> None:
        self._next.cancel()

    def _round(self) -> None:
        now = time.thread_time()
        self.longest = max(self.longest, now - self._begun)
        self._begun = now
        self._next = self._loop.call_soon(self._round)


@contextmanager
def watch_loop() -> Iterator[LoopWatch]:
    """Measure every round of the running event loop within the block."""
    # As the server does at its start: the tests' own objects are none of its cost.
    gc.collect()
    gc.freeze()
    watch = LoopWatch()
    try:
        yield watch
    finally:
        watch.stop()
        gc.unfreeze()
