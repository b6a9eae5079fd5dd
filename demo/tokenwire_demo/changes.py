"""Waiting for something to become true, without polling."""

import asyncio
from collections.abc import Callable


class Changes:
    """Wakes those who wait for a condition; whoever changes something calls `notify`."""

    def __init__(self) -> None:
        self._waiters: dict[asyncio.Future[None], Callable[[], bool]] = {}

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds."""
        if condition():
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = condition
        try:
            await waiter
        finally:
            del self._waiters[waiter]

    def notify(self) -> None:
        """Look at every condition again."""
        for waiter, condition in self._waiters.items():
            if not waiter.done() and condition():
                waiter.set_result(None)
