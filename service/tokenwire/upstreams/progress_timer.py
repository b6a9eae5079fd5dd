"""Limits how long an upstream may make no progress."""

import asyncio
import math
from dataclasses import dataclass
from types import TracebackType

from tokenwire.core.attempts import Attempts
from tokenwire.core.errors import UpstreamIdleTimeout, UpstreamTimeout
from tokenwire.core.task_timer import TaskTimer


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The time limits of an upstream, in seconds.

    Attributes:
        first_token: From the call of the model to the first token, including retries.
        idle: Between two tokens.
    """

    first_token: float
    idle: float


class ProgressTimer(TaskTimer):
    """Ends waits for an upstream that makes no progress.

    Enter the timer for each wait, in the task that waits, and `close` it after the last.
    Time outside of waits, such as the time that the caller takes to read, does not count.

    Args:
        attempts: The record of the requests. `started` is when the model was called, in seconds
            on the event loop's clock; its own time limits take the place of the upstream's.
        timeouts: The upstream's time limits.
    """

    def __init__(self, attempts: Attempts, timeouts: Timeouts) -> None:
        super().__init__()
        self._idle = attempts.idle_seconds or timeouts.idle
        self._limit = attempts.first_token_by or attempts.started + timeouts.first_token
        self._progressed = False
        self._begun = False

    def __enter__(self) -> None:
        # The task that waits may change: another one reads the start of an answer that is hedged.
        self._task = asyncio.current_task()
        if self._progressed:
            self._progressed = False
            self._limit = self._loop.time() + self._idle
        # Inlines `_reschedule`: this runs once per token.
        self._time = self._limit
        if self._limit < self._handle_time:
            self._arm()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raise UpstreamTimeout or UpstreamIdleTimeout in place of the timer's cancellation."""
        self._time = math.inf
        if self._expired and self._uncancel(self._task, kind):
            raise (UpstreamIdleTimeout if self._begun else UpstreamTimeout) from None

    def progressed(self) -> None:
        """Restart the idle timeout at the beginning of the next wait."""
        self._begun = self._progressed = True

    def limit(self, seconds: float) -> None:
        """Allow all waits until the next progress `seconds` in total, starting now."""
        self._begun = True
        self._progressed = False
        self._limit = self._loop.time() + seconds

    def close(self) -> None:
        """Stop the timer."""
        self._stop()
