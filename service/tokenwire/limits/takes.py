"""Takes new leases from a shared store, those of one moment in one request."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from tokenwire.limits.entries import LeaseEntry, LimitRefusal
from tokenwire.limits.lease import CallerLease
from tokenwire.limits.store import Batch, StoreError, StoreReply
from tokenwire.observability.metrics.labels import StoreFailureCause

MAX_REQUESTS: Final = 4
"""The most requests at once. Beyond it, leases wait and share the next request."""
MAX_LEASES: Final = 500
"""The most leases of one request."""

Ask: TypeAlias = Callable[[Sequence[Batch]], Awaitable[Sequence[StoreReply]]]
"""Sends batches to the store; raises a StoreError."""
Take: TypeAlias = tuple[CallerLease, LeaseEntry, "asyncio.Future[LimitRefusal | None]"]


class LeaseTakes:
    """Collects the first entries of leases, and sends them to the store.

    Args:
        ask: Sends batches.

    Attributes:
        waiting: The number of leases that wait for an answer.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._unsent: deque[Take] = deque()
        self._requests: set[asyncio.Task[None]] = set()
        self.waiting = 0

    async def take(self, lease: CallerLease, entry: LeaseEntry) -> LimitRefusal | None:
        """Return the answer of the store to the first entry of a lease.

        Raises:
            StoreError: The store did not answer. It may have the lease.
        """
        future: asyncio.Future[LimitRefusal | None] = asyncio.get_running_loop().create_future()
        self._unsent.append((lease, entry, future))
        if len(self._requests) < MAX_REQUESTS:
            self._start()
        self.waiting += 1
        try:
            return await future
        finally:
            self.waiting -= 1

    async def aclose(self) -> None:
        """End the requests that run."""
        for request in self._requests:
            request.cancel()
        if self._requests:
            await asyncio.wait(self._requests)

    def _start(self) -> None:
        request = asyncio.create_task(self._send())
        self._requests.add(request)
        request.add_done_callback(self._requests.discard)

    async def _send(self) -> None:
        """Send what waits, in as many requests as that needs."""
        while self._unsent:
            takes = [self._unsent.popleft() for _ in range(min(len(self._unsent), MAX_LEASES))]
            # The call may have ended while its lease waited.
            if wanted := [take for take in takes if not take[2].done()]:
                await self._send_some(wanted)

    async def _send_some(self, takes: Sequence[Take]) -> None:
        by_caller: dict[str, list[Take]] = {}
        for take in takes:
            by_caller.setdefault(take[0].caller, []).append(take)
        batches = [
            Batch(caller, found[-1][0].limits, [entry for _, entry, _ in found])
            for caller, found in by_caller.items()
        ]
        try:
            replies = await self._ask(batches)
        except BaseException as error:
            cause = error.cause if isinstance(error, StoreError) else StoreFailureCause.INVALID
            for _, _, future in takes:
                if not future.done():
                    future.set_exception(StoreError(cause))
            if not isinstance(error, StoreError):
                raise
            return
        for found, reply in zip(by_caller.values(), replies, strict=True):
            for (_, _, future), refusal in zip(found, reply.refusals, strict=True):
                if not future.done():
                    future.set_result(refusal)
