"""Limits work on large requests to one step per event-loop iteration, across all calls.

A step takes milliseconds. The queue of many calls in one iteration would block the loop for
their sum.
"""

import asyncio
from collections import deque
from typing import Final
from weakref import WeakKeyDictionary


class _StepQueue:
    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def next(self) -> None:
        """Wait for the caller's step, which runs in a later iteration, in FIFO order."""
        loop = asyncio.get_running_loop()
        due = loop.create_future()
        self._waiting.append(due)
        if len(self._waiting) == 1:
            loop.call_soon(self._grant, loop)
        await due

    def _grant(self, loop: asyncio.AbstractEventLoop) -> None:
        # Waiters that were cancelled do not use up a step.
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        if not self._waiting:
            return
        self._waiting.popleft().set_result(None)
        if self._waiting:
            loop.call_soon(self._grant, loop)


_queues: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _StepQueue]] = WeakKeyDictionary()


async def next_step() -> None:
    """Wait for the next step of large work. The step lasts until the caller's next await."""
    loop = asyncio.get_running_loop()
    queue = _queues.get(loop)
    if queue is None:
        queue = _queues[loop] = _StepQueue()
    await queue.next()
