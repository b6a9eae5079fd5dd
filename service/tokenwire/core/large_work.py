"""Work on large requests, one step in each round of the event loop, whichever calls they are of.

Each step takes milliseconds; those of many calls in one round would add up.
"""

import asyncio
from collections import deque
from typing import Final
from weakref import WeakKeyDictionary


class _Steps:
    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def next(self) -> None:
        """Return when the caller's step is due: in a later round, first come first served."""
        loop = asyncio.get_running_loop()
        due = loop.create_future()
        self._waiting.append(due)
        if len(self._waiting) == 1:
            loop.call_soon(self._grant, loop)
        await due

    def _grant(self, loop: asyncio.AbstractEventLoop) -> None:
        # Others have left meanwhile.
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        if not self._waiting:
            return
        self._waiting.popleft().set_result(None)
        if self._waiting:
            loop.call_soon(self._grant, loop)


_steps: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Steps]] = WeakKeyDictionary()


async def next_step() -> None:
    """Wait for the next step of large work; it lasts until the caller waits for anything."""
    loop = asyncio.get_running_loop()
    steps = _steps.get(loop)
    if steps is None:
        steps = _steps[loop] = _Steps()
    await steps.next()
