"""The OTLP exporter over gRPC, with the cause of its last failure."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

from tokenwire.observability.traces.span_export import Loss, LossCause

CAUSES: Final = {
    grpc.StatusCode.UNAVAILABLE: LossCause.UNREACHABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: LossCause.TIMEOUT,
    # Only the exporter's own shutdown cancels requests.
    grpc.StatusCode.CANCELLED: LossCause.SHUTDOWN,
}


class GrpcExporter(OTLPSpanExporter):
    """The SDK's exporter, which also records why a request failed.

    Attributes:
        loss: Why the last failed request failed.
    """

    loss = Loss(LossCause.OTHER)

    def _initialize_channel_and_stub(self) -> None:
        # The SDK only logs the status, together with the collector's host and text.
        super()._initialize_channel_and_stub()  # type: ignore[no-untyped-call] # has no types
        client: Any = self._client
        # The SDK calls no other method of the client.
        self._client = SimpleNamespace(Export=self._recording_loss(client.Export))  # type: ignore[assignment] # see above

    def _recording_loss(self, export: Callable[..., Any]) -> Callable[..., Any]:
        def export_and_record(**arguments: Any) -> Any:
            try:
                return export(**arguments)
            except grpc.RpcError as error:
                code = error.code()
                self.loss = Loss(CAUSES.get(code, LossCause.REJECTED), code.name)
                raise

        return export_and_record
