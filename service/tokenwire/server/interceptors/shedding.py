"""Rejects calls of a crowd at once, before anything else is done for them."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import grpc

from tokenwire.api.status import FixedStatus
from tokenwire.core.errors import ServerOverloaded
from tokenwire.observability.metrics import Metrics
from tokenwire.server import accept_probe
from tokenwire.server.accept_probe import CROWD_SECONDS, AcceptProbe
from tokenwire.server.interceptors.admission import RETRY_AFTER_SECONDS, AdmissionInterceptor
from tokenwire.server.interceptors.base import Context, Continuation, Handler, is_ours
from tokenwire.server.interceptors.outcome import REQUEST_ID, request_id_of

REPORT_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


class SheddingInterceptor(grpc.aio.ServerInterceptor):
    """Rejects what would be rejected anyway, or has waited too long, while a crowd waits.

    gRPC hands over one call at a time, so what each rejection costs delays all calls
    behind it. These have no span and no line of their own in the log, their message is
    not read, and they are counted together with all others.

    Args:
        probe: Knows how long calls wait.
        admission: Knows whether there is room for another.
        metrics: Counts the calls.
    """

    def __init__(
        self, probe: AcceptProbe, admission: AdmissionInterceptor, metrics: Metrics
    ) -> None:
        self._probe = probe
        self._admission = admission
        self._metrics = metrics
        self._methods: set[str] = set()
        # Not as a stream's only request: gRPC would wait for the message first.
        self._rejecting: Handler = grpc.stream_stream_rpc_method_handler(self._reject)
        self._answering: Handler = grpc.stream_stream_rpc_method_handler(_answer_probe)
        self._status = FixedStatus(ServerOverloaded(retry_after=RETRY_AFTER_SECONDS))
        self._closed = False
        self._unreported = 0
        self._longest_wait = 0.0

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Let the call pass, or return a handler that rejects it."""
        method = handler_call_details.method
        if not is_ours(method):
            return await continuation(handler_call_details)
        if self._probe.is_probe(handler_call_details):
            return self._answering
        waited = self._probe.take()
        self._metrics.observe_accept_wait(waited)
        if method in self._methods and self._must_reject(waited):
            self._longest_wait = max(self._longest_wait, waited)
            return self._rejecting
        accept_probe.waited.set(waited)
        handler = await continuation(handler_call_details)
        if handler is not None:
            self._methods.add(method)
        return handler

    def close(self) -> None:
        """Reject no more: a server that stops tells callers so instead."""
        self._closed = True

    def _must_reject(self, waited: float) -> bool:
        if waited < CROWD_SECONDS or self._closed:
            return False
        return self._admission.is_hopeless(waited)

    async def _reject(self, _: object, context: Context) -> None:
        self._admission.note_rejected(context)
        self._metrics.count_shed()
        if not self._unreported:
            asyncio.get_running_loop().call_later(REPORT_SECONDS, self._report)
        self._unreported += 1
        request_id = request_id_of(context)
        text, trailers = self._status.of_call(request_id)
        await context.abort(self._status.code, text, (*trailers, (REQUEST_ID, request_id)))

    def _report(self) -> None:
        extra = {
            "calls": self._unreported,
            "reason": ServerOverloaded.reason,
            "longest_wait_seconds": round(self._longest_wait, 3),
        }
        log.warning("calls rejected", extra=extra)
        self._unreported = 0
        self._longest_wait = 0.0


async def _answer_probe(_: object, __: Context) -> None:
    """Do nothing: that the probe was taken is all that it asks."""
