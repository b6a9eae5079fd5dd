"""OTLP over gRPC, which remembers why spans were lost."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

from tokenwire.observability.traces.span_export import Loss, LossCause

CAUSES: Final = {
    grpc.StatusCode.UNAVAILABLE: LossCause.UNREACHABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: LossCause.TIMEOUT,
    # Only we cancel, when we shut the exporter down.
    grpc.StatusCode.CANCELLED: LossCause.SHUTDOWN,
}


class GrpcExporter(OTLPSpanExporter):
    """The SDK's exporter.

    Attributes:
        loss: Why the latest request failed.
    """

    loss = Loss(LossCause.OTHER)

    def _initialize_channel_and_stub(self) -> None:
        # The original logs the status, with the collector's host and text, and forgets it.
        super()._initialize_channel_and_stub()  # type: ignore[no-untyped-call] # has no types
        client: Any = self._client
        # The only method that is used of it.
        self._client = SimpleNamespace(Export=self._noting(client.Export))  # type: ignore[assignment] # see above

    def _noting(self, export: Callable[..., Any]) -> Callable[..., Any]:
        def noted(**arguments: Any) -> Any:
            try:
                return export(**arguments)
            except grpc.RpcError as error:
                code = error.code()
                self.loss = Loss(CAUSES.get(code, LossCause.REJECTED), code.name)
                raise

        return noted
