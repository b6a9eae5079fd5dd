"""OpenTelemetry's server spans, made to tell how streams really end."""

from __future__ import annotations

from types import SimpleNamespace

import grpc
from opentelemetry import trace
from opentelemetry.instrumentation.grpc._aio_server import OpenTelemetryAioServerInterceptor

from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord
from tokenwire.server.interceptors.base import Context, Proceed

CALLERS_OWN = frozenset(
    {
        grpc.StatusCode.OK,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
"""Codes that are no error of a server; OpenTelemetry leaves their spans' status unset."""


class TracingInterceptor(OpenTelemetryAioServerInterceptor):
    """Runs each call inside a span, with the attributes of opentelemetry-instrumentation-grpc.

    The original treats every stream as a generator and leaves cancelled and aborted streams
    with status OK. Its attributes and its propagation are used as they are.

    Args:
        provider: Makes the spans.
    """

    def __init__(self, provider: trace.TracerProvider) -> None:
        tracer = provider.get_tracer("tokenwire")
        super().__init__(tracer)  # type: ignore[no-untyped-call] # has no types

    def wrap(self, endpoint: Endpoint, proceed: Proceed) -> Proceed:
        """Return `proceed` inside of a span, which is the current one."""
        details = SimpleNamespace(method=endpoint.method.path)

        async def traced(call: CallRecord, request: object, context: Context) -> None:
            ending: BaseException | None = None
            with (
                self._set_remote_context(context),
                self._start_span(details, _Caller(call, context)),  # type: ignore[no-untyped-call] # the same
            ):
                try:
                    await proceed(call, request, context)
                except BaseException as error:  # noqa: BLE001 - raised again below
                    # Not through the span: it would record the exception's text.
                    ending = error
            if ending is not None:
                try:
                    raise ending
                finally:
                    # With it this frame, and the call, would outlive the caller's connection.
                    del ending

        return traced


class _Caller:
    """The context of a call as far as a span is about the caller, with a peer that stays.

    gRPC forgets the peer as soon as the caller leaves. The original asks for it three times
    and warns when there is none; it accepts that a local socket has no address.
    """

    def __init__(self, call: CallRecord, context: Context) -> None:
        self.invocation_metadata = context.invocation_metadata
        self._peer = call.peer or "unix:"

    def peer(self) -> str:
        return self._peer


def annotate_span(call: CallRecord) -> None:
    """Write how `call` ended into the current span, and the span's trace into the call."""
    span = trace.get_current_span()
    if not span.is_recording():
        return
    code = grpc.StatusCode[call.status]
    call.trace_id = trace.format_trace_id(span.get_span_context().trace_id)
    span.set_attribute("rpc.grpc.status_code", code.value[0])
    span.set_attribute("tokenwire.request_id", call.request_id)
    if code is not grpc.StatusCode.OK:
        span.set_attribute("error.type", call.reason)
    if code not in CALLERS_OWN:
        span.set_status(trace.StatusCode.ERROR, call.reason)
