"""Makes the gRPC handlers, which accept a call and pass it to the interceptor chain."""

from __future__ import annotations

import asyncio
import math

import grpc

from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_deadline import CallDeadline
from tokenwire.core.call_record import CallRecord
from tokenwire.core.errors import ServiceError
from tokenwire.server.authentication import Authenticate
from tokenwire.server.interceptors.base import CallHandler, Context, RpcHandler
from tokenwire.server.request_id import request_id_of
from tokenwire.server.request_reader import RequestReader
from tokenwire.server.shedding import LoadShedder


class Entry:
    """Makes a gRPC handler from an interceptor chain.

    The handler first sheds load, then reads the request, and calls the chain with a new record
    and the request's bytes. If reading fails, it passes the ServiceError in place of the bytes,
    so that the chain logs and counts it like any other failure.

    Args:
        shedder: Rejects calls under overload.
        requests: Reads the request messages.
        stream_seconds: The longest time that a call may take after its request is read.
        authenticate: Finds the caller, before the request is read.
    """

    def __init__(
        self,
        shedder: LoadShedder,
        requests: RequestReader,
        stream_seconds: float,
        authenticate: Authenticate,
    ) -> None:
        self._authenticate = authenticate
        self._shedder = shedder
        self._requests = requests
        self._stream_seconds = stream_seconds

    def handler(self, endpoint: Endpoint, chain: CallHandler) -> RpcHandler:
        """Return the handler of an endpoint.

        gRPC treats every method as bidirectional streaming, which is the same on the wire.
        """
        shedder, requests, method = self._shedder, self._requests, endpoint.method
        authenticate = self._authenticate

        # A plain function, because gRPC inspects the handler at each call.
        async def serve(_: object, context: Context) -> None:
            # gRPC builds the metadata anew at each call of the method.
            metadata = context.invocation_metadata() or ()
            waited = shedder.record_arrival(method, metadata)
            if waited is None:
                return
            request_id = request_id_of(metadata)
            key = shedder.rejected(waited, metadata, context)
            if key is not None:
                await shedder.reject(method, request_id, waited, key, context)
                return
            request: object
            caller = None
            try:
                caller = await authenticate(metadata, context)
                del metadata
                request = await requests.read(context)
            except ServiceError as error:
                request = error
            call = CallRecord(
                request_id,
                method,
                context.peer(),
                CallDeadline(self._stream_seconds),
                callers_deadline=_callers_deadline(context),
                accept_wait=waited,
                caller=caller,
            )
            await chain(call, request, context)

        return grpc.stream_stream_rpc_method_handler(
            serve,
            request_deserializer=None,
            response_serializer=endpoint.serialize,
        )


def _callers_deadline(context: Context) -> float:
    left: float | None = context.time_remaining()
    return math.inf if left is None else asyncio.get_running_loop().time() + left
