"""Cancels a task at a given time, which is cheap to change."""

import asyncio
import math


class TaskTimer:
    """A timer that cancels one task; the base class of the service's timers.

    Postponing the time only sets an attribute. The event loop's own timer is replaced only for
    an earlier time; when it fires too early, it is set again.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._time = math.inf
        self._expired = False
        self._handle: asyncio.Handle | None = None
        self._handle_time = math.inf

    def _reschedule(self, time: float) -> None:
        """Cancel the task at `time`, in seconds on the event loop's clock."""
        self._time = time
        if time < self._handle_time:
            self._arm()

    def _stop(self) -> None:
        self._task = None
        if self._handle:
            self._handle.cancel()

    def _uncancel(self, task: asyncio.Task[object] | None, kind: object) -> bool:
        """Undo the timer's cancellation of `task`.

        Return False if the timer did not cancel the task, or something else did so too.
        """
        return bool(
            self._expired and task and task.uncancel() == 0 and kind is asyncio.CancelledError
        )

    def _arm(self) -> None:
        if self._handle:
            self._handle.cancel()
        self._handle_time = self._time
        self._handle = (
            self._loop.call_at(self._time, self._on_timer) if self._time < math.inf else None
        )

    def _on_timer(self) -> None:
        if self._loop.time() < self._time:
            self._arm()
        elif self._task and not self._expired:
            self._expired = True
            self._task.cancel()
