"""Keeps the leases of a process that counts for itself."""

import time
from functools import partial

from tokenwire.core.errors import CallerBudgetExhausted
from tokenwire.limits.entries import LeaseEntry, LimitRefusal
from tokenwire.limits.lease import CallerLease
from tokenwire.limits.memory import MemoryStore


class OwnLeases:
    """Counts in the memory of this process, at once.

    Args:
        memory: What this process has used.

    Attributes:
        running: The number of leases of running calls.
    """

    def __init__(self, memory: MemoryStore) -> None:
        self._memory = memory
        self.running = 0

    async def take(self, lease: CallerLease) -> LimitRefusal | None:
        """Reserve the first slice; see `LeaseKeeper`."""
        refusal = self._apply(lease, lease.take())
        self.running += refusal is None
        return refusal

    def renew(self, lease: CallerLease) -> None:
        """Reserve the next slice, or end the call."""
        refusal = self._apply(lease, lease.renew())
        if refusal:
            lease.end(partial(CallerBudgetExhausted, refusal.limit))

    def settle(self, lease: CallerLease) -> None:
        """Count what a lease that ends has used."""
        self.running -= 1
        self._apply(lease, lease.renew())

    async def caught_up(self, lease: CallerLease) -> None:
        """Return at once, because slices are reserved at once."""

    def _apply(self, lease: CallerLease, entry: LeaseEntry) -> LimitRefusal | None:
        lease.confirm(entry)
        [refusal] = self._memory.apply(lease.caller, lease.limits, [entry], time.time())
        return refusal
