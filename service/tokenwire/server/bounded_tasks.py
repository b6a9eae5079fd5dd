"""Bounds how long, and how many, tasks may be in the same state."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

Tasks: TypeAlias = "Sequence[asyncio.Task[object]]"

LOOKS: Final = 10
"""How often the tasks are looked at within their time limit."""
EVICTED: Final = 10
"""One in so many leaves when there are too many."""


class BoundedTasks:
    """Tasks that may all stay for the same time, and a number of them at once.

    One timer serves them all, so that adding and discarding a task costs next to
    nothing. A task that stays longer than `seconds`, by up to a tenth of it, is
    overdue. When there are more than `most`, those that came first are.

    Args:
        seconds: The longest that a task may stay.
        most: The most tasks at once.
        on_overdue: Called with tasks that have just been taken out.
    """

    def __init__(self, seconds: float, most: int, on_overdue: Callable[[Tasks], None]) -> None:
        self._seconds = seconds
        self._most = most
        self._on_overdue = on_overdue
        self._since: dict[asyncio.Task[object], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._since)

    def add(self, task: asyncio.Task[object]) -> None:
        """Take in a task, until it is discarded."""
        loop = asyncio.get_running_loop()
        self._since[task] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look)
        if len(self._since) > self._most:
            self._take_out(tuple(self._since)[: -(-self._most // EVICTED)])

    def discard(self, task: asyncio.Task[object]) -> None:
        """Let go of a task, if it is still here."""
        self._since.pop(task, None)

    def limit(self, seconds: float) -> None:
        """Allow no more than so many seconds from now on, and those in here no more than that."""
        self._seconds = min(self._seconds, seconds)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        now = asyncio.get_running_loop().time()
        self._since = dict.fromkeys(self._since, now)
        self._arm(now)

    def take_all(self) -> None:
        """Take out every task, as overdue."""
        self._take_out(tuple(self._since))

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        self._timer = None
        latest = now - self._seconds
        overdue = []
        for task, since in self._since.items():
            if since > latest:
                break
            overdue.append(task)
        self._take_out(overdue)
        self._arm(now)

    def _arm(self, now: float) -> None:
        if self._since:
            due = next(iter(self._since.values())) + self._seconds
            time = max(due, now + self._seconds / LOOKS)
            self._timer = asyncio.get_running_loop().call_at(time, self._look)

    def _take_out(self, tasks: Tasks) -> None:
        for task in tasks:
            del self._since[task]
        if tasks:
            self._on_overdue(tasks)
