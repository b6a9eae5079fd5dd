"""Waits for an answer, without counting the time in which this process was busy itself."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

TURNS: Final = 16
"""The turns of the event loop in which an answer that has arrived gets to who waits for it; about
twice as many as it takes."""


async def answer_within(seconds: float, answer: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns, if it ends within a time.

    If the event loop was blocked, its timers and what arrived meanwhile come at once. So the
    coroutine gets some turns of the loop before it is given up: otherwise a busy process would
    take a store that has answered for one that is away.

    Args:
        seconds: The time.
        answer: The coroutine, which is cancelled if it does not end in time.

    Raises:
        TimeoutError: It did not end in time.
    """
    task = asyncio.create_task(answer)
    try:
        await asyncio.wait((task,), timeout=seconds)
        for _ in range(TURNS):
            if task.done():
                return task.result()
            await asyncio.sleep(0)
        raise TimeoutError
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
