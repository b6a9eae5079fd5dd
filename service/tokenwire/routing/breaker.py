"""A circuit breaker: stops requests to an upstream that fails, and probes whether it is back."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

FAILURES_IN_A_ROW: Final = 5
"""A closed breaker opens after this many failures without a success in between."""
WINDOW_SECONDS: Final = 10
MIN_WINDOW_CALLS: Final = 20
MAX_FAILED_SHARE: Final = 0.5
"""A closed breaker also opens when at least MIN_WINDOW_CALLS requests ended within WINDOW_SECONDS
and at least this share of them failed."""
FIRST_OPEN_SECONDS: Final = 1.0
MAX_OPEN_SECONDS: Final = 60.0
"""How long a breaker stays open. The time doubles with each failed probe, and is as long as the
upstream asks for, but never longer than the maximum, so that an upstream that recovers early, or
asks for too much, is tried again."""
MAX_DOUBLINGS: Final = 6
JITTER: Final = 0.2
"""The share by which the time is extended at random, so that the probes of many processes
spread."""

Clock: TypeAlias = Callable[[], float]


class BreakerState(Enum):
    """The state of a breaker.

    Attributes:
        CLOSED: Requests pass.
        OPEN: No request passes until its time is over.
        PROBING: One request was let through, and its outcome decides.
    """

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


OnChange: TypeAlias = Callable[["Breaker", BreakerState], None]


class Breaker:
    """The breaker of one upstream, key and model.

    Args:
        clock: Returns the time in seconds.
        on_change: Called after a change with the breaker and the state before.

    Attributes:
        state: The state.
        openings: How often it has opened.
    """

    def __init__(self, clock: Clock, on_change: OnChange | None = None) -> None:
        self._clock = clock
        self._on_change = on_change
        self.state = BreakerState.CLOSED
        self.openings = 0
        self.epoch = 0
        """Counts the changes of state. Outcomes of requests of an earlier epoch do not count."""
        self._in_a_row = 0
        self._failed_probes = 0
        self._until = 0.0
        # One entry for each second: the second, the requests that ended, and those that failed.
        self._window: deque[list[int]] = deque()

    @property
    def seconds_open(self) -> float:
        """The seconds until a probe may pass; 0 if it is not open."""
        if self.state is not BreakerState.OPEN:
            return 0.0
        return max(self._until - self._clock(), 0.0)

    @property
    def passes(self) -> bool:
        """Whether `admit` would let a request through."""
        if self.state is BreakerState.OPEN:
            return self._clock() >= self._until
        return self.state is BreakerState.CLOSED

    def admit(self) -> "Pass | None":
        """Let a request through, or return None. The first after an open time is the probe."""
        if self.state is not BreakerState.CLOSED:
            if not self.passes:
                return None
            self._change(BreakerState.PROBING)
        return Pass(self, self.epoch)

    def succeed(self) -> None:
        """Record a success of the current epoch; see `Pass`."""
        self._in_a_row = self._failed_probes = 0
        if self.state is BreakerState.PROBING:
            self._change(BreakerState.CLOSED)
        self._count(failed=0)

    def fail(self, retry_after: float | None, *, at_once: bool) -> None:
        """Record a failure of the current epoch; see `Pass`."""
        if self.state is BreakerState.PROBING:
            self._failed_probes = min(self._failed_probes + 1, MAX_DOUBLINGS)
            self._open(retry_after)
            return
        self._count(failed=1)
        self._in_a_row += 1
        if at_once or self._in_a_row >= FAILURES_IN_A_ROW or self._fails_often():
            self._open(retry_after)

    def release(self) -> None:
        """Record a request of the current epoch that says nothing of the upstream; see `Pass`."""
        if self.state is BreakerState.PROBING:
            # Its time is over, so the next request is the probe.
            self._change(BreakerState.OPEN)

    def _open(self, retry_after: float | None) -> None:
        seconds = max(retry_after or 0.0, FIRST_OPEN_SECONDS * 2.0**self._failed_probes)
        jitter = 1 + random.uniform(0, JITTER)  # noqa: S311 - no secret
        self._until = self._clock() + min(seconds, MAX_OPEN_SECONDS) * jitter
        self.openings += 1
        self._change(BreakerState.OPEN)

    def _count(self, *, failed: int) -> None:
        second = int(self._clock())
        if not self._window or self._window[-1][0] != second:
            self._window.append([second, 0, 0])
        self._window[-1][1] += 1
        self._window[-1][2] += failed
        while self._window[0][0] <= second - WINDOW_SECONDS:
            self._window.popleft()

    def _fails_often(self) -> bool:
        ended = sum(entry[1] for entry in self._window)
        failed = sum(entry[2] for entry in self._window)
        return ended >= MIN_WINDOW_CALLS and failed >= ended * MAX_FAILED_SHARE

    def _change(self, state: BreakerState) -> None:
        before, self.state = self.state, state
        self.epoch += 1
        self._in_a_row = 0
        self._window.clear()
        if self._on_change:
            self._on_change(self, before)


@dataclass(slots=True)
class Pass:
    """A request that a breaker let through.

    It ends with one call of `fail`, `release`, or `succeed`; a `fail` may follow `succeed` if the
    answer breaks off.

    Attributes:
        breaker: The breaker.
        epoch: The breaker's epoch in which the outcome counts.
    """

    breaker: Breaker
    epoch: int

    def succeed(self) -> None:
        """Record that the answer has begun."""
        if self.epoch == self.breaker.epoch:
            self.breaker.succeed()
            # A probe that succeeds begins an epoch, in which its answer may still break off.
            self.epoch = self.breaker.epoch

    def fail(self, retry_after: float | None = None, *, at_once: bool = False) -> None:
        """Record a failure that the upstream caused.

        Args:
            retry_after: The seconds after which the upstream wants to be asked again; None if it
                does not say.
            at_once: Whether the breaker opens after this failure alone, because the upstream has
                rejected the key or asks for a pause.
        """
        if self.epoch == self.breaker.epoch:
            self.breaker.fail(retry_after, at_once=at_once)

    def release(self) -> None:
        """Record that the request says nothing: the caller left, or caused the failure."""
        if self.epoch == self.breaker.epoch:
            self.breaker.release()
