"""What surrounds every call, as one list."""

import grpc
from opentelemetry import trace

from tokenwire.api.chatgpt.field_limits import FieldLimits
from tokenwire.server.interceptors.admission import AdmissionInterceptor
from tokenwire.server.interceptors.edge import EdgeInterceptor
from tokenwire.server.interceptors.outcome import OutcomeInterceptor
from tokenwire.server.interceptors.parsing import ParsingInterceptor
from tokenwire.server.interceptors.request_bytes import RequestBytesInterceptor
from tokenwire.server.interceptors.shedding import SheddingInterceptor
from tokenwire.server.interceptors.tracing import TracingInterceptor


def build_chain(  # noqa: PLR0913, PLR0917 - one for each that has something to be told
    provider: trace.TracerProvider,
    shedding: SheddingInterceptor,
    edge: EdgeInterceptor,
    outcome: OutcomeInterceptor,
    request_bytes: RequestBytesInterceptor,
    admission: AdmissionInterceptor,
    limits: FieldLimits,
) -> list[grpc.aio.ServerInterceptor]:
    """Return the interceptors, the outermost first."""
    return [
        # Outermost, because while a crowd waits nothing is cheap enough.
        shedding,
        # Outside all the rest: gRPC reads no message before it.
        edge,
        # Outside, so that all that is logged and counted below belongs to the span.
        TracingInterceptor(provider),
        # Everything below fails by raising; here it becomes a status.
        outcome,
        # Before admission: a call in its queue holds its request too.
        request_bytes,
        # Rejects before any work is done, even parsing.
        admission,
        # Innermost: what it raises is an outcome like any other.
        ParsingInterceptor(limits),
    ]
