"""Limits concurrent answers, and rejects calls without delay when the service is full."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Final

from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord
from tokenwire.core.errors import ServerOverloaded
from tokenwire.server.fair_slots import FairSlots
from tokenwire.server.interceptors.base import CallHandler, Context
from tokenwire.server.share_key import ShareKey, share_key

RETRY_AFTER_SECONDS: Final = 1.0
CLAIM_SECONDS: Final = 2 * RETRY_AFTER_SECONDS
"""How long a slot is reserved for a caller or a connection that was rejected with
RETRY_AFTER_SECONDS."""
MAX_ACCEPT_WAIT_SECONDS: Final = 2.5
"""The wait in gRPC after which a call is rejected even if a slot is free. Its first token would
miss the objective, and a rejection costs a fifth of the shortest answer. A lower value would reject
calls after a short stall of the machine."""


class AdmissionInterceptor:
    """Admits calls up to a limit, queues a few for a short time, and rejects the rest.

    The slots are shared by the callers of the gateway file, or without callers by connections.

    gRPC's `maximum_concurrent_rpcs` would also reject health checks, and Kubernetes would
    restart busy pods.

    Args:
        max_streams: The most concurrent calls.
        max_queue: The most calls that wait for a slot.
        queue_seconds: The longest time that a call may wait for a slot, including its wait in
            gRPC.
    """

    def __init__(self, max_streams: int, max_queue: int, queue_seconds: float) -> None:
        self._slots = FairSlots(max_streams, max_queue, CLAIM_SECONDS)
        self._queue_seconds = queue_seconds

    def wrap(self, endpoint: Endpoint, next_handler: CallHandler) -> CallHandler:
        """Return a handler that runs `next_handler` with a slot, or raises ServerOverloaded."""
        del endpoint
        return partial(self._intercept, next_handler)

    async def _intercept(
        self, next_handler: CallHandler, call: CallRecord, request: object, context: Context
    ) -> None:
        key = share_key(call.caller, call.peer)
        if not self._slots.take(key):
            try:
                await self._wait(key, call)
            except ServerOverloaded:
                self._slots.claim(key)
                raise
        try:
            await next_handler(call, request, context)
        finally:
            self._slots.release(key)

    @property
    def in_flight(self) -> int:
        """The number of calls that hold a slot."""
        return self._slots.taken

    @property
    def queued(self) -> int:
        """The number of calls that wait for a slot."""
        return self._slots.queued

    def reserved(self) -> int:
        """Return the number of free slots that are reserved for rejected keys."""
        return self._slots.reserved()

    def may_reject(self, waited: float) -> bool:
        """Report whether a call that waited so long in gRPC may be rejected.

        Args:
            waited: How long it waited, in seconds.
        """
        if waited > max(MAX_ACCEPT_WAIT_SECONDS, self._queue_seconds):
            return True
        slots = self._slots
        return slots.full and (waited >= self._queue_seconds or slots.queue_full)

    def would_reject(self, waited: float, key: ShareKey) -> bool:
        """Report whether a call would be rejected of which `may_reject` says that it may be.

        Args:
            waited: How long it waited in gRPC, in seconds.
            key: Whose share of the slots it uses.
        """
        return waited >= self._queue_seconds or not self._slots.has_place(key)

    def note_rejected(self, key: ShareKey) -> None:
        """Record a call that was rejected before admission, so that its key gets a claim."""
        self._slots.claim(key)

    async def _wait(self, key: ShareKey, call: CallRecord) -> None:
        """Wait for a slot.

        Raises:
            ServerOverloaded: The queue is full, or no slot became free in time.
        """
        seconds = self._queue_seconds - call.accept_wait
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if seconds < 0 or not self._slots.enqueue(key, waiter):
            raise ServerOverloaded(retry_after=RETRY_AFTER_SECONDS)
        begun = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                admitted = await waiter
        except TimeoutError:
            self._slots.leave(key, waiter)
            raise ServerOverloaded(retry_after=RETRY_AFTER_SECONDS) from None
        except asyncio.CancelledError:
            self._slots.leave(key, waiter)
            raise
        finally:
            call.queued = time.monotonic() - begun
        if not admitted:
            raise ServerOverloaded(retry_after=RETRY_AFTER_SECONDS)
