"""Ends a call from outside, for a reason: a time that ran out, or a shutdown."""

import asyncio
import math
from types import TracebackType
from typing import Self

from tokenwire.errors import ServiceError, StreamDurationLimit


class Watchdog:
    """Cancels the task that enters it and turns the cancellation into a ServiceError.

    One timer serves all the waits of a call: moving the time on costs two
    attributes, and the timer looks again when it fires. A cancellation that
    comes from elsewhere stays a cancellation.

    Args:
        total_seconds: The longest that the task may take within the context;
            over it, StreamDurationLimit.
    """

    def __init__(self, total_seconds: float = math.inf) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + total_seconds
        self._time = self._end
        self._error: type[ServiceError] = StreamDurationLimit
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._bite: ServiceError | None = None

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        self._arm()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raise the reason in place of the cancellation that it caused."""
        task, self._task = self._task, None
        if self._timer:
            self._timer.cancel()
        if self._bite and task and task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise self._bite from None

    @property
    def end(self) -> float:
        """When the watch is over, by the event loop's clock."""
        return self._end

    def expect(self, seconds: float, otherwise: type[ServiceError]) -> None:
        """Give what comes next so many `seconds`, or end the task with `otherwise`."""
        time = self._loop.time() + seconds
        if time < self._end:
            self._time = time
            self._error = otherwise
        else:
            self._time = self._end
            self._error = StreamDurationLimit
        if self._timer is None or self._time < self._timer.when():
            self._arm()

    def interrupt(self, error: ServiceError) -> None:
        """End the task with `error`; does nothing once it has left the context."""
        if self._task and not self._bite:
            self._bite = error
            self._task.cancel()

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._time, self._look) if self._time < math.inf else None

    def _look(self) -> None:
        if self._loop.time() < self._time:
            self._arm()
        else:
            self.interrupt(self._error())
