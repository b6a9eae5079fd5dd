"""The time limits of an upstream, which any progress of its answer moves."""

import asyncio
import math
from dataclasses import dataclass
from types import TracebackType

from tokenwire.core.errors import UpstreamIdleTimeout, UpstreamTimeout
from tokenwire.core.task_timer import TaskTimer


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits of an upstream, in seconds.

    Attributes:
        first_token: From the moment the model is asked to the first token, retries included.
        idle: Between two tokens.
    """

    first_token: float
    idle: float


class ProgressTimer(TaskTimer):
    """Ends waits for an upstream that makes no progress.

    Make it in the task that waits, enter it for each wait, and `close` it in the end. Only
    waits count: time that the caller takes to read does not.

    Args:
        asked: When the model was asked, by the event loop's clock.
        timeouts: The time limits.
    """

    def __init__(self, asked: float, timeouts: Timeouts) -> None:
        super().__init__()
        self._task = asyncio.current_task()
        self._idle = timeouts.idle
        self._limit = asked + timeouts.first_token
        self._progressed = False
        self._begun = False

    def __enter__(self) -> None:
        if self._progressed:
            self._progressed = False
            self._limit = self._loop.time() + self._idle
        # As `_reschedule` does: this comes with every token.
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
        """Give what comes next the whole idle timeout, from the next wait on."""
        self._begun = self._progressed = True

    def limit(self, seconds: float) -> None:
        """Give all waits until the next progress so many `seconds`, from now on."""
        self._begun = True
        self._progressed = False
        self._limit = self._loop.time() + seconds

    def close(self) -> None:
        """Let go of the task."""
        self._stop()
