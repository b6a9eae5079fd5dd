"""Limits the total size of the requests in flight, which bounds the memory that they take."""

from functools import partial
from typing import Final

from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord
from tokenwire.core.errors import ServerOverloaded
from tokenwire.server.interceptors.base import CallHandler, Context

RETRY_AFTER_SECONDS: Final = 1.0


class RequestBytesInterceptor:
    """Admits calls until the total size of their requests reaches a limit, and rejects the rest.

    gRPC holds the bytes of a request until its call has ended. The parsed message lives until
    the answer begins.

    Args:
        max_bytes: The largest total size, in bytes.

    Attributes:
        held: The current total size, in bytes.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.held = 0

    def wrap(self, endpoint: Endpoint, next_handler: CallHandler) -> CallHandler:
        """Return a handler that raises ServerOverloaded if the request does not fit."""
        del endpoint
        return partial(self._intercept, next_handler)

    async def _intercept(
        self, next_handler: CallHandler, call: CallRecord, request: bytes, context: Context
    ) -> None:
        size = len(request)
        if self.held + size > self._max_bytes:
            raise ServerOverloaded(retry_after=RETRY_AFTER_SECONDS)
        self.held += size
        try:
            await next_handler(call, request, context)
        finally:
            self.held -= size
