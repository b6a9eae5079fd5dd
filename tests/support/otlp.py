"""A trace collector for tests that receives spans over OTLP/gRPC on a real port."""

import asyncio
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps every span that it receives.

    Attributes:
        address: The address that it listens on.
        spans: The spans in the order of arrival.
        resources: The resource attributes of each batch of spans.
    """

    def __init__(self) -> None:
        self.address = ""
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []
        self._arrived = asyncio.Condition()
        self._server = grpc.aio.server()

    async def start(self) -> None:
        add = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
        add(self, self._server)  # type: ignore[no-untyped-call] # generated without types
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(None)

    async def Export(  # noqa: N802 - the contract's name
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: Any
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        del context
        async with self._arrived:
            for resource_spans in request.resource_spans:
                attributes = resource_spans.resource.attributes
                self.resources.append({each.key: each.value.string_value for each in attributes})
                for scope_spans in resource_spans.scope_spans:
                    self.spans.extend(scope_spans.spans)
            self._arrived.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    async def received(
        self, count: int, kind: "Span.SpanKind.ValueType" = Span.SPAN_KIND_SERVER
    ) -> list[Span]:
        """Wait for `count` spans of a kind and return all of them; each server call has one."""

        def of_kind() -> list[Span]:
            return [span for span in self.spans if span.kind == kind]

        async with self._arrived:
            await self._arrived.wait_for(lambda: len(of_kind()) >= count)
        return of_kind()

    async def answered(self, count: int) -> list[Span]:
        """Wait for `count` spans of requests to a model and return all of them."""
        return await self.received(count, Span.SPAN_KIND_CLIENT)


def attributes_of(span: Span) -> dict[str, Any]:
    """Return the attributes of a span by name."""
    return {each.key: _value(each.value) for each in span.attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None
