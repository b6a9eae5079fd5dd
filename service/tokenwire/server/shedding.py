"""Sheds load: rejects calls under overload before any other work is done for them."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from tokenwire.api.status import FixedStatus
from tokenwire.core.errors import ServerOverloaded, ServiceError
from tokenwire.core.method import Method
from tokenwire.observability.metrics import Metrics
from tokenwire.server.accept_probe import BACKLOG_SECONDS, AcceptProbe
from tokenwire.server.authentication import Recognize
from tokenwire.server.interceptors.admission import RETRY_AFTER_SECONDS, AdmissionInterceptor
from tokenwire.server.interceptors.base import Context, Metadata
from tokenwire.server.load_meter import LoadMeter
from tokenwire.server.request_id import REQUEST_ID
from tokenwire.server.share_key import NOBODY, ShareKey, share_key

REPORT_INTERVAL_SECONDS: Final = 1.0
UNKNOWN_INTERVAL_SECONDS: Final = 0.05
"""How often a call of an unknown caller goes on to authentication under overload. Otherwise a
caller with a new token, which nobody has verified yet, would be rejected without a claim for as
long as the overload lasts."""

log = logging.getLogger(__name__)


class LoadShedder:
    """Rejects calls that waited too long in gRPC or that admission would reject.

    One event loop handles all calls, so the cost of each rejection delays all calls behind it. A
    shed call therefore has no span and no log line of its own, and its message is not read. The
    metrics count it like any other call.

    Args:
        probe: Measures how long calls wait in gRPC.
        admission: Decides whether a call would get a slot.
        metrics: Counts the calls.
        recognize: Finds the caller of a call at once.
        load: Counts the calls too, and makes the load report of each; None if there are none.
    """

    def __init__(
        self,
        probe: AcceptProbe,
        admission: AdmissionInterceptor,
        metrics: Metrics,
        recognize: Recognize,
        load: LoadMeter | None = None,
    ) -> None:
        self._load = load
        self._probe = probe
        self._admission = admission
        self._metrics = metrics
        self._recognize = recognize
        self._unknown_after = 0.0
        self._status = FixedStatus(ServerOverloaded(retry_after=RETRY_AFTER_SECONDS))
        self._closed = False
        self._unreported = 0
        self._longest_wait = 0.0

    def record_arrival(self, method: Method, metadata: Metadata) -> float | None:
        """Return the seconds that a call waited in gRPC, or None if the call is a probe."""
        if self._probe.is_probe(method.path, metadata):
            return None
        waited = self._probe.record_accepted(method.path)
        self._metrics.observe_accept_wait(waited)
        return waited

    def rejected(self, waited: float, metadata: Metadata, context: Context) -> ShareKey | None:
        """Return whose call it is if it must be rejected; None to let it go on.

        Args:
            waited: How long the call waited in gRPC, in seconds.
            metadata: Its metadata.
            context: Its context.
        """
        if waited < BACKLOG_SECONDS or self._closed:
            return None
        if not self._admission.may_reject(waited):
            return None
        try:
            key = share_key(self._recognize(metadata, context), context.peer() or "")
        except ServiceError:
            # Its priority is not known, so it is taken for normal.
            key = NOBODY
        if not self._admission.would_reject(waited, key):
            return None
        return None if key is NOBODY and self._let_unknown_go_on() else key

    def close(self) -> None:
        """Stop shedding load. A server that stops rejects calls with ServerShuttingDown instead."""
        self._closed = True

    async def reject(
        self, method: Method, request_id: str, waited: float, key: ShareKey, context: Context
    ) -> None:
        """End a call, whose key `rejected` has returned, with the status of ServerOverloaded."""
        self._longest_wait = max(self._longest_wait, waited)
        self._admission.note_rejected(key)
        code = self._status.code
        caller = key.name if key.is_caller else None
        self._metrics.calls.count_shed(method, code.name, ServerOverloaded.reason, caller)
        if not self._unreported:
            asyncio.get_running_loop().call_later(REPORT_INTERVAL_SECONDS, self._report)
        self._unreported += 1
        text, trailers = self._status.for_call(request_id)
        if self._load:
            self._load.note_shed()
            trailers = (*trailers, *self._load.trailers())
        await context.abort(code, text, (*trailers, (REQUEST_ID, request_id)))

    def _let_unknown_go_on(self) -> bool:
        now = time.monotonic()
        if now < self._unknown_after:
            return False
        self._unknown_after = now + UNKNOWN_INTERVAL_SECONDS
        return True

    def _report(self) -> None:
        extra = {
            "calls": self._unreported,
            "reason": ServerOverloaded.reason,
            "longest_wait_seconds": round(self._longest_wait, 3),
        }
        log.warning("calls rejected", extra=extra)
        self._unreported = 0
        self._longest_wait = 0.0
