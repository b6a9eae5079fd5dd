"""Ends a call from outside, for a reason: a time that ran out, or a shutdown."""

import asyncio
import math
from types import TracebackType
from typing import Final, Self

from tokenwire.core.errors import ServiceError, SlowConsumer, StreamDurationLimit
from tokenwire.core.task_timer import TaskTimer

LAST_WRITE_SECONDS: Final = 0.5
"""How long a write may go on after the end."""


class CallDeadline(TaskTimer):
    """Cancels the task that enters it and turns the cancellation into a ServiceError.

    A cancellation that comes from elsewhere stays a cancellation.

    Args:
        total_seconds: The longest that the task may take within the context;
            over it, StreamDurationLimit.
    """

    def __init__(self, total_seconds: float = math.inf) -> None:
        super().__init__()
        self._end = self._loop.time() + total_seconds
        self._end_error: type[ServiceError] = StreamDurationLimit
        self._error: type[ServiceError] = StreamDurationLimit
        self._writing = False
        self._whole = False
        self._rest_seconds = 0.0
        self._beyond_end = 0.0

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        self._move(self._end)
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
        task = self._task
        self._stop()
        if not self._takes_back(task, kind):
            return False
        if self._whole:
            return True
        raise self._error() from None

    @property
    def end(self) -> float:
        """When the call is over, by the event loop's clock."""
        return self._end

    @property
    def writing(self) -> bool:
        """Whether the latest write, as far as known here, is still going on."""
        return self._writing

    def expect_write(self, seconds: float) -> None:
        """Give a write so many `seconds`, or end the task with SlowConsumer.

        A write has a moment more than everything else when the call is over: gRPC takes no
        other write before this one is done, not even that of the last Answer.
        """
        self._writing = True
        self._beyond_end = LAST_WRITE_SECONDS
        self._set(self._loop.time() + seconds, SlowConsumer)

    def written(self) -> None:
        """Note that the write is done.

        Raises:
            ServiceError: The call was over before this.
        """
        self._writing = False
        end = self._end + self._rest_seconds
        if self._loop.time() >= end:
            raise self._end_error
        self._beyond_end = self._rest_seconds
        self._error = self._end_error
        # As `_move` does: this comes with every token.
        self._time = end
        if end < self._handle_time:
            self._arm()

    def text_is_whole(self, rest_seconds: float) -> None:
        """Give what follows the whole text its `rest_seconds`, even when the call is over."""
        self._rest_seconds = self._beyond_end = rest_seconds
        self._set(math.inf, self._end_error)

    def text_continues(self) -> None:
        """Take `text_is_whole` back: more text has come.

        Raises:
            ServiceError: The call was over before this.
        """
        self._rest_seconds = 0.0
        self.written()

    def answer_is_whole(self) -> None:
        """Let no time and no shutdown make the task fail any more.

        They still end it within the write of the last Answer.
        """
        self._whole = True
        self._writing = False
        self._time = math.inf

    def interrupt(self, error: type[ServiceError]) -> None:
        """End the task with `error`; does nothing once it has left the context."""
        # A cancellation that is on its way keeps its reason.
        if self._task and not self._expired:
            self._end = self._loop.time()
            self._end_error = error
            if self._writing or not self._whole:
                self._set(self._time, self._error)

    def _set(self, time: float, error: type[ServiceError]) -> None:
        end = self._end + self._beyond_end
        if time < end:
            self._error = error
            self._move(time)
        else:
            self._error = self._end_error
            self._move(end)
