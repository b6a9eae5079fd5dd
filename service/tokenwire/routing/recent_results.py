"""The results of requests in the last minutes."""

from collections import deque

from tokenwire.observability.metrics.labels import RouteResult
from tokenwire.observability.status.report import RECENT_MINUTES
from tokenwire.routing.breaker import Clock


class RecentResults:
    """Counts results by minute.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # One entry for each minute: the minute, successes, failures.
        self._minutes: deque[list[int]] = deque(maxlen=RECENT_MINUTES)

    def add(self, result: RouteResult) -> None:
        """Count a result, unless it says nothing of the upstream."""
        if result is RouteResult.OTHER:
            return
        minute = int(self._clock() // 60)
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append([minute, 0, 0])
        self._minutes[-1][1 if result is RouteResult.OK else 2] += 1

    def totals(self) -> tuple[int, int]:
        """Return the successes and failures of the last minutes; any thread may call this."""
        since = int(self._clock() // 60) - RECENT_MINUTES
        recent = [each for each in list(self._minutes) if each[0] > since]
        return sum(each[1] for each in recent), sum(each[2] for each in recent)
