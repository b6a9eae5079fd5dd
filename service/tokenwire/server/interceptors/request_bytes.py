"""Bounds the sum of the requests in memory, so that a few large ones cannot exhaust it."""

from typing import Final

from tokenwire.core.errors import ServerOverloaded
from tokenwire.server.interceptors.base import Behaviour, Context, Interceptor

RETRY_AFTER_SECONDS: Final = 1.0


class RequestBytesInterceptor(Interceptor):
    """Admits calls until the bytes of their requests reach a limit, and rejects the rest.

    gRPC holds the bytes of a request until its call has ended, and what is made
    of them lives until the answer begins.

    Args:
        most: The largest sum, in bytes.

    Attributes:
        held: The sum, in bytes.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self.held = 0

    async def around(
        self, method: str, proceed: Behaviour, request: object, context: Context
    ) -> None:
        """Run the call if its request fits.

        Raises:
            ServerOverloaded: It does not.
        """
        del method
        assert isinstance(request, bytes)  # noqa: S101 - the ParsingInterceptor took the parser away
        size = len(request)
        if self.held + size > self._most:
            raise ServerOverloaded(retry_after=RETRY_AFTER_SECONDS)
        self.held += size
        try:
            await proceed(request, context)
        finally:
            self.held -= size
