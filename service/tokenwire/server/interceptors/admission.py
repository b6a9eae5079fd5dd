"""Bounds the answers in flight, so that a full service says so at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord
from tokenwire.core.errors import ServerOverloaded
from tokenwire.server.fair_slots import FairSlots
from tokenwire.server.interceptors.base import Context, Proceed

RETRY_AFTER_SECONDS: Final = 1.0
CLAIM_SECONDS: Final = 2 * RETRY_AFTER_SECONDS
"""How long a slot is kept for a connection that was told to come back later."""
LONGEST_SECONDS: Final = 2.5
"""In gRPC's queue, after which a call is rejected even if there is a slot for it. Its first token
would miss the objective, and a rejection costs a fifth of the shortest answer. Less than this can
be a moment in which the machine was busy with something else."""

ShareKey: TypeAlias = Callable[[Context], str]


def connection_of(context: Context) -> str:
    """Return the address of the caller's end of its connection, or nothing once it has left."""
    return context.peer() or ""


class AdmissionInterceptor:
    """Admits calls up to a limit, lets a few wait briefly, and rejects the rest.

    gRPC's own `maximum_concurrent_rpcs` would reject health checks too, and a
    busy pod would be restarted.

    Args:
        max_streams: The most calls in flight.
        max_queue: The most calls that wait for a slot.
        queue_seconds: The longest that a call waits for one, its time in gRPC's own
            queue included.
        share_key: Returns whose share of the slots a call takes from.
    """

    def __init__(
        self,
        max_streams: int,
        max_queue: int,
        queue_seconds: float,
        share_key: ShareKey = connection_of,
    ) -> None:
        self._slots = FairSlots(max_streams, max_queue, CLAIM_SECONDS)
        self._queue_seconds = queue_seconds
        self._share_key = share_key

    def wrap(self, endpoint: Endpoint, proceed: Proceed) -> Proceed:
        """Return `proceed` for when there is a slot; else ServerOverloaded is raised in time."""
        del endpoint
        return partial(self._around, proceed)

    async def _around(
        self, proceed: Proceed, call: CallRecord, request: object, context: Context
    ) -> None:
        key = self._share_key(context)
        if not self._slots.take(key):
            try:
                await self._wait(key, call)
            except ServerOverloaded:
                self._slots.claim(key)
                raise
        try:
            await proceed(call, request, context)
        finally:
            self._slots.give_back(key)

    @property
    def in_flight(self) -> int:
        """How many calls have a slot."""
        return self._slots.taken

    @property
    def queued(self) -> int:
        """How many calls wait for a slot."""
        return self._slots.queued

    def reserved(self) -> int:
        """Return how many free slots are kept for connections that were rejected."""
        return self._slots.reserved()

    def is_hopeless(self, waited: float) -> bool:
        """Tell whether there is no use in admitting a call that waited so long in gRPC."""
        if waited > max(LONGEST_SECONDS, self._queue_seconds):
            return True
        slots = self._slots
        return slots.full and (waited >= self._queue_seconds or slots.queue_full)

    def note_rejected(self, context: Context) -> None:
        """Note a call that was rejected before it came here, for its share of the slots."""
        self._slots.claim(self._share_key(context))

    async def _wait(self, key: str, call: CallRecord) -> None:
        """Wait until there is a slot."""
        seconds = self._queue_seconds - call.accept_wait
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if seconds < 0 or not self._slots.enqueue(key, place):
            raise ServerOverloaded(retry_after=RETRY_AFTER_SECONDS)
        begun = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                admitted = await place
        except TimeoutError:
            self._slots.leave(key, place)
            raise ServerOverloaded(retry_after=RETRY_AFTER_SECONDS) from None
        except asyncio.CancelledError:
            self._slots.leave(key, place)
            raise
        finally:
            call.queued = time.monotonic() - begun
        if not admitted:
            raise ServerOverloaded(retry_after=RETRY_AFTER_SECONDS)
