"""Waits for what has no event, and counts what a server must not leave behind."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path


async def within(seconds: float, promise: str, condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; fail with `promise` after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {promise}"
        # Polling is necessary: tasks and descriptors have no event to wait for.
        await asyncio.sleep(0.002)


def count_tasks() -> int:
    """Return the number of tasks, without one that grpc.aio's own server has at most times.

    The collector runs such a server, which accepts calls in a task for each, one after the other.
    """
    return sum(
        getattr(task.get_coro(), "__qualname__", "") != "AioServer._request_call"
        for task in asyncio.all_tasks()
    )


def count_descriptors() -> int:
    """Return the number of open file descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))
