"""Measures how long the event loop is blocked."""

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


class LoopWatch:
    """Measures the longest iteration of the event loop.

    Attributes:
        longest: Seconds of CPU time, which other processes hardly affect.
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
    """Measure each iteration of the running event loop within the block."""
    # The server does the same at startup, so that the tests' own objects add no cost.
    gc.collect()
    gc.freeze()
    watch = LoopWatch()
    try:
        yield watch
    finally:
        watch.stop()
        gc.unfreeze()
