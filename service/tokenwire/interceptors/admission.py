"""Bounds the answers in flight, so that a full service says so at once."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from tokenwire import calls
from tokenwire.errors import ServerOverloaded
from tokenwire.interceptors.base import Behaviour, Context, Interceptor

RETRY_AFTER_SECONDS: Final = 1.0


class AdmissionInterceptor(Interceptor):
    """Admits calls up to a limit, lets a few wait briefly, and rejects the rest.

    gRPC's own `maximum_concurrent_rpcs` would reject health checks too, and a
    busy pod would be restarted.

    Args:
        max_streams: The most calls in flight.
        max_queue: The most calls that wait for a place, first come first served.
        queue_seconds: The longest that a call waits.
        on_change: Told the numbers in flight and in the queue when they change.
    """

    def __init__(
        self,
        max_streams: int,
        max_queue: int,
        queue_seconds: float,
        on_change: Callable[[int, int], None],
    ) -> None:
        super().__init__()
        self._free = max_streams
        self._max_streams = max_streams
        self._max_queue = max_queue
        self._queue_seconds = queue_seconds
        self._on_change = on_change
        self._queue: deque[asyncio.Future[None]] = deque()

    async def around(
        self, method: str, proceed: Behaviour, request: object, context: Context
    ) -> None:
        """Run the call once there is a place for it.

        Raises:
            ServerOverloaded: There is none, or none became free in time.
        """
        del method
        if self._free:
            self._free -= 1
        else:
            await self._wait()
        self._changed()
        try:
            await proceed(request, context)
        finally:
            self._release()
            self._changed()

    async def _wait(self) -> None:
        """Wait until a call that ends hands over its place."""
        if len(self._queue) >= self._max_queue:
            raise ServerOverloaded(retry_after=RETRY_AFTER_SECONDS)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        self._changed()
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self._queue_seconds):
                await place
        except TimeoutError:
            self._leave(place)
            raise ServerOverloaded(retry_after=RETRY_AFTER_SECONDS) from None
        except asyncio.CancelledError:
            self._leave(place)
            raise
        finally:
            calls.current.get().queued = time.monotonic() - begun

    def _leave(self, place: asyncio.Future[None]) -> None:
        if place in self._queue:
            self._queue.remove(place)
        elif not place.cancelled():
            # It was handed over while this call was giving up.
            self._release()
        self._changed()

    def _release(self) -> None:
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1

    def _changed(self) -> None:
        self._on_change(self._max_streams - self._free, len(self._queue))
