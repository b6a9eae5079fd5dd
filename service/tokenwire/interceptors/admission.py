"""Bounds the answers in flight, so that a full service says so at once."""

from collections.abc import Callable

from tokenwire.errors import ServerOverloaded
from tokenwire.interceptors.base import Behaviour, Context, Interceptor

RETRY_AFTER_SECONDS = 1.0


class AdmissionInterceptor(Interceptor):
    """Admits calls up to a limit and rejects those beyond it.

    gRPC's own `maximum_concurrent_rpcs` would reject health checks too, and a
    busy pod would be restarted.

    Args:
        max_streams: The most calls in flight.
        on_change: Told the number in flight whenever it changes.
    """

    def __init__(self, max_streams: int, on_change: Callable[[int], None]) -> None:
        self.in_flight = 0
        self._max_streams = max_streams
        self._on_change = on_change

    async def around(
        self, method: str, proceed: Behaviour, request: object, context: Context
    ) -> None:
        """Run the call if there is room.

        Raises:
            ServerOverloaded: There is none.
        """
        del method
        if self.in_flight >= self._max_streams:
            raise ServerOverloaded(retry_after=RETRY_AFTER_SECONDS)
        self._count(1)
        try:
            await proceed(request, context)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self.in_flight += change
        self._on_change(self.in_flight)
