"""Ends a call when a time limit passes or the server shuts down."""

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from tokenwire.core.errors import ServiceError, SlowConsumer, StreamDurationLimit
from tokenwire.core.task_timer import TaskTimer

FINAL_WRITE_SECONDS: Final = 0.5
"""How long a write that is in progress at the deadline may continue."""


class CallDeadline(TaskTimer):
    """Cancels the task that enters it and turns the cancellation into a ServiceError.

    A cancellation from any other source is raised unchanged.

    Args:
        total_seconds: The longest time that the task may spend inside the context. When it
            passes, the context raises StreamDurationLimit.
    """

    def __init__(self, total_seconds: float = math.inf) -> None:
        super().__init__()
        self._end = self._loop.time() + total_seconds
        self._end_error: Callable[[], ServiceError] = StreamDurationLimit
        self._error: Callable[[], ServiceError] = StreamDurationLimit
        self._writing = False
        self._completed = False
        self._usage_seconds = 0.0
        self._overrun_seconds = 0.0

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        self._reschedule(self._end)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Replace the timer's cancellation with its ServiceError.

        If the answer is complete, suppress both, and the task continues after the context.
        """
        task = self._task
        self._stop()
        if not self._uncancel(task, kind):
            return False
        if self._completed:
            return True
        raise self._error() from None

    @property
    def end(self) -> float:
        """When the call must end, in seconds on the event loop's clock."""
        return self._end

    @property
    def writing(self) -> bool:
        """Whether the latest write has begun and has not been reported as done."""
        return self._writing

    def begin_write(self, seconds: float) -> None:
        """Start the time limit of a write; when it passes, the task ends with SlowConsumer.

        A write may exceed the call's deadline by FINAL_WRITE_SECONDS. Until it is done, gRPC
        accepts no other write, not even the one of the last Answer.

        Args:
            seconds: The longest time that the write may take.
        """
        self._writing = True
        self._overrun_seconds = FINAL_WRITE_SECONDS
        self._set_limit(self._loop.time() + seconds, SlowConsumer)

    def end_write(self) -> None:
        """Stop the time limit of the current write.

        Raises:
            ServiceError: The call's deadline passed during the write.
        """
        self._writing = False
        end = self._end + self._usage_seconds
        if self._loop.time() >= end:
            raise self._end_error()
        self._overrun_seconds = self._usage_seconds
        self._error = self._end_error
        # Inlines `_reschedule`: this runs once per token.
        self._time = end
        if end < self._handle_time:
            self._arm()

    def text_completed(self, usage_seconds: float) -> None:
        """Allow the upstream `usage_seconds` to report usage, even past the call's deadline."""
        self._usage_seconds = self._overrun_seconds = usage_seconds
        self._set_limit(math.inf, self._end_error)

    def text_resumed(self) -> None:
        """Undo `text_completed` because more text has arrived.

        Raises:
            ServiceError: The call's deadline has passed.
        """
        self._usage_seconds = 0.0
        self.end_write()

    def answer_completed(self) -> None:
        """Stop failing the task on a timeout or a shutdown.

        Both still interrupt the write of the last Answer.
        """
        self._completed = True
        self._writing = False
        self._time = math.inf

    def interrupt(self, error: Callable[[], ServiceError]) -> None:
        """End the task with an error. After the task has left the context, this is a no-op.

        Args:
            error: Returns the error.
        """
        # A cancellation that is already pending keeps its error.
        if self._task and not self._expired:
            self._end = self._loop.time()
            self._end_error = error
            if self._writing or not self._completed:
                self._set_limit(self._time, self._error)

    def _set_limit(self, time: float, error: Callable[[], ServiceError]) -> None:
        end = self._end + self._overrun_seconds
        if time < end:
            self._error = error
            self._reschedule(time)
        else:
            self._error = self._end_error
            self._reschedule(end)
