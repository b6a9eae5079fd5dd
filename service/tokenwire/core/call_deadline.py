"""Ends a call from outside, for a reason: a time that ran out, or a shutdown."""

import asyncio
import math
from types import TracebackType
from typing import Final, Self

from tokenwire.core.errors import ServiceError, StreamDurationLimit

LAST_WRITE_SECONDS: Final = 0.5
"""How long a write may go on after the end."""


class Watchdog:
    """Cancels the task that enters it and turns the cancellation into a ServiceError.

    One timer serves all the waits of a call: moving the time on costs a few
    attributes, and the timer looks again when it fires. A cancellation that
    comes from elsewhere stays a cancellation.

    Args:
        total_seconds: The longest that the task may take within the context;
            over it, StreamDurationLimit.
    """

    def __init__(self, total_seconds: float = math.inf) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + total_seconds
        self._end_error: type[ServiceError] = StreamDurationLimit
        self._time = self._end
        self._error: type[ServiceError] = StreamDurationLimit
        self._writing = False
        self._whole = False
        self._beyond_end = 0.0
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.Handle | None = None
        self._timer_time = math.inf
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
    ) -> bool:
        """Raise the reason in place of the cancellation that it caused, or drop both.

        They are dropped, which makes the task go on behind the context, if the answer is whole.
        """
        task, self._task = self._task, None
        if self._timer:
            self._timer.cancel()
        if not (self._bite and task and task.uncancel() == 0 and kind is asyncio.CancelledError):
            return False
        if self._whole:
            return True
        raise self._bite from None

    @property
    def end(self) -> float:
        """When the watch is over, by the event loop's clock."""
        return self._end

    @property
    def writing(self) -> bool:
        """Whether the latest write, as far as known here, is still going on."""
        return self._writing

    def expect(self, seconds: float, otherwise: type[ServiceError]) -> None:
        """Give what comes next so many `seconds`, or end the task with `otherwise`.

        Raises:
            ServiceError: The watch was over before this, during a write.
        """
        self._writing = False
        self._beyond_end = 0.0
        now = self._loop.time()
        if now >= self._end:
            raise self._end_error
        self._set(now + seconds, otherwise)

    def expect_rest(
        self, rest_seconds: float, seconds: float, otherwise: type[ServiceError]
    ) -> None:
        """Give what follows a text that is whole its `rest_seconds`, when the watch is over too.

        Give it `seconds` more while the watch is not over, or end the task with `otherwise`.
        """
        self._writing = False
        self._beyond_end = rest_seconds
        self._set(self._loop.time() + rest_seconds + seconds, otherwise)

    def expect_write(self, seconds: float, otherwise: type[ServiceError]) -> None:
        """Give a write so many `seconds`, and a moment more than others when the watch is over.

        gRPC takes no other write before this one is done, not even that of the last Answer.
        """
        self._writing = True
        self._beyond_end = LAST_WRITE_SECONDS
        self._set(self._loop.time() + seconds, otherwise)

    def answer_is_whole(self) -> None:
        """Let no time and no shutdown make the task fail any more.

        They still end it within the write of the last Answer.
        """
        self._whole = True
        self._writing = False
        self._time = math.inf

    def interrupt(self, error: type[ServiceError]) -> None:
        """End the task with `error`; does nothing once it has left the context."""
        if self._task:
            self._end = self._loop.time()
            self._end_error = error
            if self._writing or not self._whole:
                self._set(self._time, self._error)

    def _set(self, time: float, error: type[ServiceError]) -> None:
        end = self._end + self._beyond_end
        if time < end:
            self._time, self._error = time, error
        else:
            self._time, self._error = end, self._end_error
        if self._time < self._timer_time:
            self._arm()

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer_time = self._time
        self._timer = self._loop.call_at(self._time, self._look) if self._time < math.inf else None

    def _look(self) -> None:
        if self._loop.time() < self._time:
            self._arm()
        elif self._task and not self._bite:
            self._bite = self._error()
            self._task.cancel()
