"""gRPC reflection: which services this server has, and what they look like.

grpcio-reflection has v1alpha alone. v1 is the same under another name, byte for
byte, so both are answered by one servicer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
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
FILE: Final = "grpc/reflection/v1/reflection.proto"
METHOD: Final = "ServerReflectionInfo"

MAX_STREAMS: Final = 100
"""Open at once; a tool needs one for a moment."""
MAX_REQUEST_BYTES: Final = 4_096
"""Far more than a symbol or file has of a name. gRPC holds the latest request of a stream."""

Request: TypeAlias = reflection_pb2.ServerReflectionRequest
Context: TypeAlias = "grpc.aio.ServicerContext[Request, reflection_pb2.ServerReflectionResponse]"


def enable_reflection(
    names: Iterable[str], server: grpc.aio.Server, on_change: Callable[[int], None]
) -> None:
    """Serve reflection of these services, and of reflection itself, in both versions.

    Args:
        names: Full names of the services.
        server: Gets two more services.
        on_change: Told the number of open streams when it changes.
    """
    pool = Default()
    _describe_v1(pool)
    servicer = ReflectionServicer((*names, V1, V1ALPHA), pool, on_change)
    handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=Request.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for service in (V1, V1ALPHA):
        server.add_registered_method_handlers(service, {METHOD: handler})


def _describe_v1(pool: DescriptorPool) -> None:
    """Add v1's file to what can be described."""
    try:
        pool.FindFileByName(FILE)
    except KeyError:
        v1alpha = FileDescriptorProto()
        reflection_pb2.DESCRIPTOR.CopyToProto(v1alpha)
        text = text_format.MessageToString(v1alpha).replace("v1alpha", "v1")
        v1 = text_format.Parse(text, FileDescriptorProto())
        v1.name = FILE
        pool.AddSerializedFile(v1.SerializeToString())


class ReflectionServicer(reflection.aio.ReflectionServicer):
    """grpcio-reflection's servicer, for methods too and within bounds.

    Args:
        names: Full names of the services.
        pool: Describes them.
        on_change: Told the number of open streams when it changes.
    """

    def __init__(
        self, names: Iterable[str], pool: DescriptorPool, on_change: Callable[[int], None]
    ) -> None:
        super().__init__(names, pool=_Pool(pool))
        self._streams = OpenCalls(MAX_STREAMS, on_change)

    async def ServerReflectionInfo(  # type: ignore[override]  # noqa: N802 - the contract's name
        self, request_iterator: AsyncIterable[Request], context: Context
    ) -> AsyncGenerator[reflection_pb2.ServerReflectionResponse]:
        """Answer each request of a stream, until the caller ends it."""
        async with self._streams.one_more(context):
            requests = _short(request_iterator, context)
            responses: Any = super().ServerReflectionInfo(requests, context)
            async with aclosing(responses):
                async for response in responses:
                    yield response


async def _short(requests: AsyncIterable[Request], context: Context) -> AsyncGenerator[Request]:
    async for request in requests:
        if request.ByteSize() > MAX_REQUEST_BYTES:
            details = f"A request of reflection must be at most {MAX_REQUEST_BYTES} bytes."
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, details)
        yield request


class _Pool:
    """A descriptor pool that finds methods by their names too."""

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
