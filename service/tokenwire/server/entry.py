"""Where a call of an endpoint enters: gRPC's handler, and what it needs before the chain."""

from __future__ import annotations

import asyncio
import math

import grpc

from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_deadline import CallDeadline
from tokenwire.core.call_record import CallRecord
from tokenwire.core.errors import ServiceError
from tokenwire.server.interceptors.base import Context, Proceed, RpcHandler
from tokenwire.server.request_id import request_id_of
from tokenwire.server.request_reader import RequestReader
from tokenwire.server.shedding import LoadShedder


class Entry:
    """Makes gRPC's handlers of chains.

    A handler sheds load before anything else, reads the request, and hands a new record of the
    call and the request's bytes to the chain. What goes wrong while the request is read is
    handed on in its place, so that it is logged and counted as every other failure.

    Args:
        shedder: Rejects calls of a crowd.
        requests: Reads the messages.
        stream_seconds: The longest that a call may take from then on.
    """

    def __init__(
        self, shedder: LoadShedder, requests: RequestReader, stream_seconds: float
    ) -> None:
        self._shedder = shedder
        self._requests = requests
        self._stream_seconds = stream_seconds

    def handler(self, endpoint: Endpoint, chain: Proceed) -> RpcHandler:
        """Return the handler of an endpoint.

        To gRPC all methods take and return streams, which is the same on the wire.
        """
        shedder, requests, method = self._shedder, self._requests, endpoint.method

        # A plain function: gRPC inspects it with each call.
        async def serve(_: object, context: Context) -> None:
            waited = shedder.accept(context)
            if waited is None:
                # That the probe was taken is all that it asks.
                return
            if shedder.must_reject(waited):
                await shedder.reject(method, waited, context)
                return
            request: object
            try:
                request = await requests.read(context)
            except ServiceError as error:
                request = error
            call = CallRecord(
                request_id_of(context),
                method,
                context.peer(),
                CallDeadline(self._stream_seconds),
                callers_deadline=_callers_deadline(context),
                accept_wait=waited,
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
