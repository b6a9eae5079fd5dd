"""Measures the load of this process, and reports it in the form of ORCA.

gRPC's policy `weighted_round_robin` gives a server the weight
`rps / (utilization + eps / rps * penalty)`, and ignores a report without rps or utilization.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

from tokenwire.api.status import Trailers
from tokenwire.core.call_record import CallRecord
from tokenwire.observability.metrics.labels import CALLERS_REASONS
from tokenwire.xds.orca_load_report_pb2 import OrcaLoadReport

TRAILER: Final = "endpoint-load-metrics-bin"
QUEUED: Final = "queued"
"""The named metric with the number of calls that wait for a slot."""
WINDOW_SECONDS: Final = 10.0
"""The age at which an event's part in an average has fallen to 1/e."""
IDLE_SECONDS: Final = 60.0
"""The time without a call after which a server reports nothing, so that clients forget the weight
that it had when it was last busy."""
MIN_RPS: Final = 0.001
"""The least rate that a server with calls reports. Clients would ignore a server that is full of
long answers and has not ended one for long, and go on to use an earlier, higher weight."""
NO_ERROR: Final = CALLERS_REASONS | {"CANCELLED", "DEADLINE_EXCEEDED"}
"""Reasons of failed calls that say nothing of the server."""


class LoadMeter:
    """Counts calls, and makes load reports of averages over the last seconds.

    Rate and utilization are averages over the same time, so their quotient is the capacity of the
    server, its slots divided by the mean duration of a call, also if it has few calls. With the
    utilization of one moment, a server with few calls would get a low weight, and fewer still.

    Args:
        slots: The most concurrent calls.
        in_calls: Whether each call has a report in its trailing metadata.
    """

    def __init__(self, slots: int, *, in_calls: bool) -> None:
        self._slots = slots
        self._in_calls = in_calls
        self._queued: Callable[[], int] = lambda: 0
        self._calls = 0
        self._updated = time.monotonic()
        self._ended = -math.inf
        self._mean_calls = self._rps = self._eps = 0.0

    def watch_queue(self, queued: Callable[[], int]) -> None:
        """Set the source of the number of calls that wait for a slot."""
        self._queued = queued

    def start(self) -> None:
        """Count a call that begins."""
        self._update()
        self._calls += 1

    def observe(self, call: CallRecord) -> None:
        """Count a call that has ended.

        A call that was rejected has used no capacity, so it is no part of the rate of calls: a full
        server that rejects many calls would otherwise look fast.
        """
        self._update()
        self._ended = self._updated
        self._calls -= 1
        if call.status == "OK" or call.attempts.started:
            self._rps += 1 / WINDOW_SECONDS
        if call.status != "OK" and call.reason not in NO_ERROR:
            self._eps += 1 / WINDOW_SECONDS

    def note_shed(self) -> None:
        """Count a call that was shed, and so has no record."""
        self._update()
        self._eps += 1 / WINDOW_SECONDS

    def trailers(self) -> Trailers:
        """Return the trailing metadata of a call that ends: its report, if calls have one."""
        return ((TRAILER, self.report().SerializeToString()),) if self._in_calls else ()

    def report(self) -> OrcaLoadReport:
        """Return the current load."""
        self._update()
        if not self._calls and self._updated - self._ended > IDLE_SECONDS:
            return OrcaLoadReport(eps=self._eps)
        report = OrcaLoadReport(
            rps_fractional=max(MIN_RPS, self._rps),
            eps=self._eps,
            application_utilization=min(1.0, self._mean_calls / self._slots),
        )
        if queued := self._queued():
            report.named_metrics[QUEUED] = queued
        return report

    def _update(self) -> None:
        """Let the past fade; the number of calls was the same since the last update."""
        now = time.monotonic()
        kept = math.exp((self._updated - now) / WINDOW_SECONDS)
        self._updated = now
        self._rps *= kept
        self._eps *= kept
        self._mean_calls += (self._calls - self._mean_calls) * (1 - kept)
