"""What surrounds every call, as one list."""

import grpc
from opentelemetry import trace

from tokenwire.interceptors.admission import AdmissionInterceptor
from tokenwire.interceptors.edge import EdgeInterceptor
from tokenwire.interceptors.outcome import OutcomeInterceptor
from tokenwire.interceptors.parsing import ParsingInterceptor
from tokenwire.interceptors.tracing import TracingInterceptor


def build_chain(
    edge: EdgeInterceptor,
    provider: trace.TracerProvider,
    outcome: OutcomeInterceptor,
    admission: AdmissionInterceptor,
) -> list[grpc.aio.ServerInterceptor]:
    """Return the interceptors, the outermost first."""
    return [
        # Outermost: gRPC reads no message before it.
        edge,
        # Outside, so that all that is logged and counted below belongs to the span.
        TracingInterceptor(provider),
        # Everything below fails by raising; here it becomes a status.
        outcome,
        # Rejects before any work is done, even parsing.
        admission,
        # Innermost: what it raises is an outcome like any other.
        ParsingInterceptor(),
    ]
