"""Parses the request's bytes inside the interceptor chain.

A deserializer that is registered with gRPC runs before any handler; gRPC answers its failure
itself and logs a traceback. Therefore the innermost interceptor parses.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError, Message

from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord
from tokenwire.core.errors import MalformedRequest
from tokenwire.core.large_work import next_step
from tokenwire.server.interceptors.base import CallHandler, Context

LARGE_BYTES: Final = 1 << 16


class ParsingInterceptor:
    """Parses the request and passes the message on, or raises a ServiceError."""

    def wrap(self, endpoint: Endpoint, next_handler: CallHandler) -> CallHandler:
        """Return a handler that takes the request's bytes."""

        async def parsing(call: CallRecord, request: bytes, context: Context) -> None:
            large = len(request) > LARGE_BYTES
            if large:
                await next_step()
            endpoint.check(request)
            if large:
                # Parsing takes milliseconds too.
                await next_step()
            # Not bound to a local variable, which would hold the message until the call ends.
            parsed = [_parse(endpoint, request)]
            if large:
                # Validating the message takes milliseconds again.
                await next_step()
            await next_handler(call, parsed.pop(), context)

        return parsing


def _parse(endpoint: Endpoint, request: bytes) -> Message:
    try:
        return endpoint.parse(request)
    except DecodeError:
        raise MalformedRequest from None
