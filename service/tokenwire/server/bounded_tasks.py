"""Limits how long tasks may be in a state, and how many at once."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

Tasks: TypeAlias = "Sequence[asyncio.Task[object]]"

CHECKS_PER_LIMIT: Final = 10
"""The number of checks per time limit."""
EVICTION_DIVISOR: Final = 10
"""When there are too many tasks, 1 / EVICTION_DIVISOR of the limit is evicted at once."""


class BoundedTasks:
    """A set of tasks with a time limit and a size limit.

    All tasks share one timer, so adding and discarding a task takes constant time. A task is
    evicted when it has stayed longer than `seconds`, with a delay of up to a tenth of it. When
    the set holds more than `max_tasks`, the oldest tasks are evicted.

    Args:
        seconds: The longest time that a task may stay.
        max_tasks: The most tasks at once.
        on_evict: Called with the evicted tasks.
    """

    def __init__(self, seconds: float, max_tasks: int, on_evict: Callable[[Tasks], None]) -> None:
        self._seconds = seconds
        self._max_tasks = max_tasks
        self._on_evict = on_evict
        self._since: dict[asyncio.Task[object], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._since)

    def add(self, task: asyncio.Task[object]) -> None:
        """Add a task."""
        loop = asyncio.get_running_loop()
        self._since[task] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._check)
        if len(self._since) > self._max_tasks:
            self._evict(tuple(self._since)[: -(-self._max_tasks // EVICTION_DIVISOR)])

    def discard(self, task: asyncio.Task[object]) -> None:
        """Remove a task if it is in the set."""
        self._since.pop(task, None)

    def limit(self, seconds: float) -> None:
        """Reduce the time limit to `seconds`. For the tasks in the set it starts now."""
        self._seconds = min(self._seconds, seconds)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        now = asyncio.get_running_loop().time()
        self._since = dict.fromkeys(self._since, now)
        self._arm(now)

    def evict_all(self) -> None:
        """Evict every task."""
        self._evict(tuple(self._since))

    def _check(self) -> None:
        now = asyncio.get_running_loop().time()
        self._timer = None
        overdue_before = now - self._seconds
        overdue = []
        for task, since in self._since.items():
            if since > overdue_before:
                break
            overdue.append(task)
        self._evict(overdue)
        self._arm(now)

    def _arm(self, now: float) -> None:
        if self._since:
            due = next(iter(self._since.values())) + self._seconds
            time = max(due, now + self._seconds / CHECKS_PER_LIMIT)
            self._timer = asyncio.get_running_loop().call_at(time, self._check)

    def _evict(self, tasks: Tasks) -> None:
        for task in tasks:
            del self._since[task]
        if tasks:
            self._on_evict(tasks)
