"""Cancels a task at a time that is cheap to move."""

import asyncio
import math


class TaskTimer:
    """The timer under all waits of one task.

    Moving the time sets an attribute: the event loop's own timer is set again only for an
    earlier time, and looks again when it fires.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._time = math.inf
        self._expired = False
        self._handle: asyncio.Handle | None = None
        self._handle_time = math.inf

    def _move(self, time: float) -> None:
        """Cancel the task at `time`, by the event loop's clock."""
        self._time = time
        if time < self._handle_time:
            self._arm()

    def _stop(self) -> None:
        self._task = None
        if self._handle:
            self._handle.cancel()

    def _takes_back(self, task: asyncio.Task[object] | None, kind: object) -> bool:
        """Take back the cancellation; return False if there was none, or another one too."""
        return bool(
            self._expired and task and task.uncancel() == 0 and kind is asyncio.CancelledError
        )

    def _arm(self) -> None:
        if self._handle:
            self._handle.cancel()
        self._handle_time = self._time
        self._handle = self._loop.call_at(self._time, self._look) if self._time < math.inf else None

    def _look(self) -> None:
        if self._loop.time() < self._time:
            self._arm()
        elif self._task and not self._expired:
            self._expired = True
            self._task.cancel()
