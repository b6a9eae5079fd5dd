"""Implements gRPC server reflection, v1 and v1alpha.

grpcio-reflection implements v1alpha only. The messages of v1 are the same byte for byte, so one
servicer serves both.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf import text_format
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default, DescriptorPool
from grpc_reflection.v1alpha import reflection, reflection_pb2

from tokenwire.server.open_calls import OpenCalls

V1ALPHA: Final = reflection.SERVICE_NAME
V1: Final = V1ALPHA.replace("v1alpha", "v1")
V1_FILE: Final = "grpc/reflection/v1/reflection.proto"
METHOD: Final = "ServerReflectionInfo"

MAX_STREAMS: Final = 100
"""The most open streams. Tools such as grpcurl open one for a moment."""
MAX_REQUEST_BYTES: Final = 4_096
"""Longer than any name of a symbol or file. gRPC holds the latest request of each stream."""

Request: TypeAlias = reflection_pb2.ServerReflectionRequest
Context: TypeAlias = "grpc.aio.ServicerContext[Request, reflection_pb2.ServerReflectionResponse]"
Authorize: TypeAlias = Callable[[Context], Awaitable[object]]
"""Raises a ServiceError if the caller of a stream may not ask."""


def enable_reflection(
    names: Iterable[str],
    server: grpc.aio.Server,
    on_change: Callable[[int], None],
    authorize: Authorize | None = None,
) -> None:
    """Register both versions of the reflection service.

    Args:
        names: The full names of the services to describe. Reflection itself is added to them.
        server: The server that receives the services.
        on_change: Called with the number of open streams when it changes.
        authorize: Called at the start of each stream; None if everyone may ask.
    """
    pool = Default()
    _describe_v1(pool)
    servicer = ReflectionServicer((*names, V1, V1ALPHA), pool, on_change, authorize)
    handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=Request.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for service in (V1, V1ALPHA):
        server.add_registered_method_handlers(service, {METHOD: handler})


def _describe_v1(pool: DescriptorPool) -> None:
    """Add the descriptor of v1 to `pool`."""
    try:
        pool.FindFileByName(V1_FILE)
    except KeyError:
        v1alpha = FileDescriptorProto()
        reflection_pb2.DESCRIPTOR.CopyToProto(v1alpha)
        text = text_format.MessageToString(v1alpha).replace("v1alpha", "v1")
        v1 = text_format.Parse(text, FileDescriptorProto())
        v1.name = V1_FILE
        pool.AddSerializedFile(v1.SerializeToString())


class ReflectionServicer(reflection.aio.ReflectionServicer):
    """grpcio-reflection's servicer, which also describes methods and limits streams and requests.

    Args:
        names: The full names of the services.
        pool: The descriptors of the services.
        on_change: Called with the number of open streams when it changes.
        authorize: See `enable_reflection`.
    """

    def __init__(
        self,
        names: Iterable[str],
        pool: DescriptorPool,
        on_change: Callable[[int], None],
        authorize: Authorize | None = None,
    ) -> None:
        super().__init__(names, pool=_Pool(pool))
        self._authorize = authorize
        self._streams = OpenCalls(MAX_STREAMS, on_change)

    async def ServerReflectionInfo(  # type: ignore[override]  # noqa: N802 - the contract's name
        self, request_iterator: AsyncIterable[Request], context: Context
    ) -> AsyncGenerator[reflection_pb2.ServerReflectionResponse]:
        """Answer each request of a stream until the caller ends the stream.

        Raises:
            ServiceError: The caller may not ask.
        """
        if self._authorize:
            await self._authorize(context)
        async with self._streams.count(context):
            requests = _limit_size(request_iterator, context)
            responses: Any = super().ServerReflectionInfo(requests, context)
            async with aclosing(responses):
                async for response in responses:
                    yield response


async def _limit_size(
    requests: AsyncIterable[Request], context: Context
) -> AsyncGenerator[Request]:
    async for request in requests:
        if request.ByteSize() > MAX_REQUEST_BYTES:
            details = f"A reflection request must be at most {MAX_REQUEST_BYTES} bytes."
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, details)
        yield request


class _Pool:
    """A descriptor pool that also finds methods by name."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 - the pool's name
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            method = self._pool.FindMethodByName(symbol)
            return method.containing_service.file
