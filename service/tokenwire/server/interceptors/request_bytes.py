"""Bounds the sum of the requests in memory, so that a few large ones cannot exhaust it."""

from functools import partial
from typing import Final

from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord
from tokenwire.core.errors import ServerOverloaded
from tokenwire.server.interceptors.base import Context, Proceed

RETRY_AFTER_SECONDS: Final = 1.0


class RequestBytesInterceptor:
    """Admits calls until the bytes of their requests reach a limit, and rejects the rest.

    gRPC holds the bytes of a request until its call has ended, and what is made
    of them lives until the answer begins.

    Args:
        most: The largest sum, in bytes.

    Attributes:
        held: The sum, in bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def wrap(self, endpoint: Endpoint, proceed: Proceed) -> Proceed:
        """Return `proceed` for requests that fit; ServerOverloaded is raised for others."""
        del endpoint
        return partial(self._around, proceed)

    async def _around(
        self, proceed: Proceed, call: CallRecord, request: bytes, context: Context
    ) -> None:
        size = len(request)
        if self.held + size > self._most:
            raise ServerOverloaded(retry_after=RETRY_AFTER_SECONDS)
        self.held += size
        try:
            await proceed(call, request, context)
        finally:
            self.held -= size
