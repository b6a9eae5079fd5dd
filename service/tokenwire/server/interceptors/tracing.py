"""OpenTelemetry server spans with the correct status for streams."""

from __future__ import annotations

from types import SimpleNamespace

import grpc
from opentelemetry import trace
from opentelemetry.instrumentation.grpc._aio_server import OpenTelemetryAioServerInterceptor

from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord
from tokenwire.server.interceptors.base import CallHandler, Context

CLIENT_CODES = frozenset(
    {
        grpc.StatusCode.OK,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
"""Codes that are not server errors. OpenTelemetry leaves the status of their spans unset."""


class TracingInterceptor(OpenTelemetryAioServerInterceptor):
    """Runs each call inside a span with the attributes of opentelemetry-instrumentation-grpc.

    The base class expects every stream to be a generator, and reports cancelled and aborted
    streams as OK. Only its attributes and its context propagation are used.

    Args:
        provider: Creates the tracer.
    """

    def __init__(self, provider: trace.TracerProvider) -> None:
        tracer = provider.get_tracer("tokenwire")
        super().__init__(tracer)  # type: ignore[no-untyped-call] # has no types

    def wrap(self, endpoint: Endpoint, next_handler: CallHandler) -> CallHandler:
        """Return a handler that runs `next_handler` with a new span as the current span."""
        details = SimpleNamespace(method=endpoint.method.path)

        async def traced(call: CallRecord, request: object, context: Context) -> None:
            raised: BaseException | None = None
            with (
                self._set_remote_context(context),
                self._start_span(details, _Caller(call, context)),  # type: ignore[no-untyped-call] # as above
            ):
                try:
                    await next_handler(call, request, context)
                except BaseException as error:  # noqa: BLE001 - raised again below
                    # Raised outside of the span, which would record the exception's text.
                    raised = error
            if raised is not None:
                try:
                    raise raised
                finally:
                    # The reference cycle with this frame would keep the call in memory.
                    del raised

        return traced


class _Caller:
    """The part of a call's context that the base class reads, with a constant peer.

    gRPC drops the peer when the caller disconnects. The base class reads it three times and logs
    a warning if it is missing, but accepts `unix:` as a peer without an address.
    """

    def __init__(self, call: CallRecord, context: Context) -> None:
        self.invocation_metadata = context.invocation_metadata
        self._peer = call.peer or "unix:"

    def peer(self) -> str:
        return self._peer


def annotate_span(call: CallRecord) -> None:
    """Set the outcome of `call` on the current span, and the span's trace id on `call`."""
    span = trace.get_current_span()
    if not span.is_recording():
        return
    code = grpc.StatusCode[call.status]
    call.trace_id = trace.format_trace_id(span.get_span_context().trace_id)
    span.set_attribute("rpc.grpc.status_code", code.value[0])
    span.set_attribute("tokenwire.request_id", call.request_id)
    if code is not grpc.StatusCode.OK:
        span.set_attribute("error.type", call.reason)
    if code not in CLIENT_CODES:
        span.set_status(trace.StatusCode.ERROR, call.reason)
