"""Makes a message of a request's bytes, where a failure can be told to the caller.

gRPC parses before any handler runs, answers a failure by itself and logs a traceback; so it
gets no parser, and the innermost interceptor does it.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError, Message

from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord
from tokenwire.core.errors import MalformedRequest
from tokenwire.core.large_work import next_step
from tokenwire.server.interceptors.base import Context, Proceed

LARGE_BYTES: Final = 1 << 16


class ParsingInterceptor:
    """Hands on a message made of the request's bytes, or raises what is wrong with them."""

    def wrap(self, endpoint: Endpoint, proceed: Proceed) -> Proceed:
        """Return `proceed` for bytes."""

        async def parsing(call: CallRecord, request: bytes, context: Context) -> None:
            large = len(request) > LARGE_BYTES
            if large:
                await next_step()
            endpoint.check(request)
            if large:
                # What is to come, up to the upstream's request, takes milliseconds too.
                await next_step()
            # Handed on without a name here, which would hold it until the call's end.
            await proceed(call, _parse(endpoint, request), context)

        return parsing


def _parse(endpoint: Endpoint, request: bytes) -> Message:
    try:
        return endpoint.parse(request)
    except DecodeError:
        raise MalformedRequest from None
