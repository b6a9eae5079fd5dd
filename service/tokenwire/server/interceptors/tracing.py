"""OpenTelemetry's server spans, made to tell how streams really end."""

from __future__ import annotations

from types import SimpleNamespace

import grpc
from opentelemetry import trace
from opentelemetry.instrumentation.grpc._aio_server import OpenTelemetryAioServerInterceptor

from tokenwire.core.call_record import Call
from tokenwire.server.interceptors.base import Behaviour, Context, Handler, HandlerWrapper, is_ours

CALLERS_OWN = frozenset(
    {
        grpc.StatusCode.OK,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
"""Codes that are no error of a server; OpenTelemetry leaves their spans' status unset."""


class TracingInterceptor(HandlerWrapper, OpenTelemetryAioServerInterceptor):
    """opentelemetry-instrumentation-grpc for handlers that write to the context.

    The original treats every stream as a generator, which breaks handlers such
    as ours and Health/Watch, and leaves cancelled and aborted streams with
    status OK. Its attributes and its propagation are used as they are.

    Args:
        provider: Makes the spans.
    """

    intercept_service = HandlerWrapper.intercept_service

    def __init__(self, provider: trace.TracerProvider) -> None:
        HandlerWrapper.__init__(self)
        tracer = provider.get_tracer("tokenwire")
        OpenTelemetryAioServerInterceptor.__init__(self, tracer)  # type: ignore[no-untyped-call] # has no types

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Return a handler that runs `handler` inside a span, if the method is ours."""
        if handler.unary_stream is None or not is_ours(method):
            return handler
        behaviour = self._traced(SimpleNamespace(method=method), handler)
        return grpc.unary_stream_rpc_method_handler(
            behaviour,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _traced(self, details: SimpleNamespace, handler: Handler) -> Behaviour:
        behavior: Behaviour = handler.unary_stream  # type: ignore[assignment] # typed as a generator

        async def traced(request: object, context: Context) -> None:
            ending: BaseException | None = None
            with (
                self._set_remote_context(context),
                self._start_span(details, _Caller(context)),  # type: ignore[no-untyped-call] # the same
            ):
                try:
                    await behavior(request, context)
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

    gRPC forgets the peer as soon as the caller leaves, be it between two looks; the
    original looks three times, and warns when there is none. A local socket has no
    address either, and of that it says nothing.
    """

    def __init__(self, context: Context) -> None:
        self.invocation_metadata = context.invocation_metadata
        self._peer = context.peer() or "unix:"

    def peer(self) -> str:
        return self._peer


def annotate_span(call: Call) -> None:
    """Write how `call` ended into the current span, and the span's trace into the call."""
    span = trace.get_current_span()
    if not span.is_recording() or call.code is None:
        return
    call.trace_id = trace.format_trace_id(span.get_span_context().trace_id)
    span.set_attribute("rpc.grpc.status_code", call.code.value[0])
    span.set_attribute("tokenwire.request_id", call.request_id)
    if call.code is not grpc.StatusCode.OK:
        span.set_attribute("error.type", call.reason)
    if call.code not in CALLERS_OWN:
        span.set_status(trace.StatusCode.ERROR, call.reason)
