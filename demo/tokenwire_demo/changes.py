"""Waits for conditions without polling."""

import asyncio
from collections.abc import Callable


class Changes:
    """Wakes waiters when their conditions hold. Whoever changes the state calls `notify`."""

    def __init__(self) -> None:
        self._waiters: dict[asyncio.Future[None], Callable[[], bool]] = {}

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds."""
        if condition():
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = condition
        try:
            await waiter
        finally:
            del self._waiters[waiter]

    def notify(self) -> None:
        """Evaluate all conditions, and wake the waiters whose condition holds."""
        for waiter, condition in self._waiters.items():
            if not waiter.done() and condition():
                waiter.set_result(None)
