"""What surrounds every call, as one list."""

from collections.abc import Iterable

import grpc
from opentelemetry import trace

from tokenwire.interceptors.admission import AdmissionInterceptor
from tokenwire.interceptors.failures import FailureInterceptor
from tokenwire.interceptors.record import Observer, RecordInterceptor
from tokenwire.interceptors.tracing import TracingInterceptor


def build_chain(
    provider: trace.TracerProvider,
    on_start: Observer,
    observers: Iterable[Observer],
    admission: AdmissionInterceptor,
) -> list[grpc.aio.ServerInterceptor]:
    """Return the interceptors, the outermost first."""
    return [
        # Outside, so that all that is logged and counted below belongs to the span.
        TracingInterceptor(provider),
        # Sees the final status, so it surrounds whatever decides it.
        RecordInterceptor(on_start, observers),
        # Gives every failure below its status.
        FailureInterceptor(),
        # Rejects by raising, so it stands below the failures and above all work.
        admission,
    ]
