"""Limits concurrent answers with slots that are shared fairly among keys.

A key is a connection or a caller. While slots are free, every key gets one. When slots are
scarce, free slots go first to keys that hold less than their fair share. Running answers are
never ended to free a slot.
"""

import asyncio
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Share:
    """The slots and the queued waiters of one key."""

    held: int = 0
    waiting: deque[asyncio.Future[bool]] = field(default_factory=deque)


class FairSlots:
    """A fixed number of slots, a queue for them, and claims of rejected keys.

    A released slot goes to the waiting key that holds the fewest slots, round robin among
    equals. A key that was rejected while below its share gets a claim: for `claim_seconds` one
    free slot is reserved for it against keys at or above their share. Without claims, a caller
    that waits before its retry, as requested, would lose to callers that retry immediately.

    Memory is bounded by the number of slots and the size of the queue.

    Args:
        slots: The number of slots.
        max_queue: The most waiters in the queue.
        claim_seconds: How long a claim lasts.
    """

    def __init__(self, slots: int, max_queue: int, claim_seconds: float) -> None:
        self._slots = slots
        self._free = slots
        self._max_queue = max_queue
        self._queued = 0
        self._claim_seconds = claim_seconds
        self._shares: dict[str, _Share] = {}
        # The shares with queued waiters, in round-robin order.
        self._waiting: dict[str, _Share] = {}
        # The expiry of each claim on the monotonic clock, earliest first.
        self._claims: OrderedDict[str, float] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def taken(self) -> int:
        """The number of slots in use."""
        return self._slots - self._free

    @property
    def queued(self) -> int:
        """The number of waiters in the queue."""
        return self._queued

    @property
    def full(self) -> bool:
        """Whether no slot is free."""
        return not self._free

    @property
    def queue_full(self) -> bool:
        """Whether the queue is full and no waiter can be displaced."""
        return self._queued >= self._max_queue and self._queued == len(self._waiting)

    @property
    def tracked_keys(self) -> int:
        """The number of keys with slots, waiters or claims."""
        return len(self._shares)

    def reserved(self) -> int:
        """Return the number of free slots that are reserved for claims. Thread-safe."""
        now = time.monotonic()
        return min(self._free, sum(expiry > now for expiry in tuple(self._claims.values())))

    def take(self, key: str) -> bool:
        """Take a slot for `key`; return False if none is available to it."""
        if not self._free or not self._may_take(key):
            return False
        self._grant(key)
        return True

    def release(self, key: str) -> None:
        """Return a slot that `key` held, and pass it to the next waiter."""
        self._free += 1
        self._shares[key].held -= 1
        self._drop_if_unused(key)
        self._hand_over()

    def enqueue(self, key: str, waiter: asyncio.Future[bool]) -> bool:
        """Add `waiter` to the queue; return False if the queue is full.

        The waiter's result is True when it gets a slot, and False when a key with fewer waiters
        displaces it.
        """
        share = self._share(key)
        if self._queued >= self._max_queue and not self._displace(share):
            self._drop_if_unused(key)
            return False
        share.waiting.append(waiter)
        self._waiting.setdefault(key, share)
        self._queued += 1
        self._hand_over()
        return True

    def leave(self, key: str, waiter: asyncio.Future[bool]) -> None:
        """Remove `waiter` from the queue, or release the slot that it has got meanwhile."""
        share = self._shares.get(key)
        if share and waiter in share.waiting:
            share.waiting.remove(waiter)
            self._queued -= 1
            if not share.waiting:
                del self._waiting[key]
            self._drop_if_unused(key)
        elif waiter.done() and not waiter.cancelled() and waiter.result():
            self.release(key)

    def claim(self, key: str) -> None:
        """Record that `key` was rejected. If it holds less than its share, it gets a claim."""
        # With free slots, the key was rejected for another reason or is not below its share.
        # The key is empty if the caller has disconnected.
        if self._free or not key:
            return
        self.drop_expired_claims()
        if key not in self._claims and len(self._claims) >= self._slots:
            return
        if self._is_below_share(key):
            self._share(key)
            self._claims[key] = time.monotonic() + self._claim_seconds
            self._claims.move_to_end(key)

    def drop_expired_claims(self) -> None:
        """Remove expired claims."""
        now = time.monotonic()
        while self._claims:
            key, expiry = next(iter(self._claims.items()))
            if expiry > now:
                return
            del self._claims[key]
            self._drop_if_unused(key)

    def _may_take(self, key: str) -> bool:
        """Report whether `key` may take one of the free slots."""
        if not self._claims:
            return True
        self.drop_expired_claims()
        claims_of_others = len(self._claims) - (key in self._claims)
        return self._free > claims_of_others or self._is_below_share(key)

    def _is_below_share(self, key: str) -> bool:
        share = self._shares.get(key)
        if share is None or not share.held:
            return True
        return share.held < self._slots // len(self._shares)

    def _grant(self, key: str) -> None:
        self._free -= 1
        self._share(key).held += 1
        self._claims.pop(key, None)

    def _hand_over(self) -> None:
        """Pass the free slots to waiters, except slots that are reserved for other keys."""
        while self._free and self._waiting:
            key = self._next_key()
            if not self._may_take(key):
                self._hand_over_later()
                return
            share = self._waiting.pop(key)
            waiter = share.waiting.popleft()
            self._queued -= 1
            if share.waiting:
                # Reinserted at the end, for the round robin.
                self._waiting[key] = share
            # Waiters that were cancelled take no slot.
            if not waiter.done():
                self._grant(key)
                waiter.set_result(True)
            self._drop_if_unused(key)

    def _hand_over_later(self) -> None:
        """Call `_hand_over` again when the first claim expires."""
        if self._timer:
            self._timer.cancel()
        seconds = next(iter(self._claims.values())) - time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(max(seconds, 0.001), self._hand_over)

    def _next_key(self) -> str:
        """Return the waiting key that holds the fewest slots."""
        fewest, next_key = self._slots + 1, ""
        for key, share in self._waiting.items():
            if share.held < fewest:
                fewest, next_key = share.held, key
                if not fewest:
                    break
        return next_key

    def _displace(self, newcomer: _Share) -> bool:
        """Displace the newest waiter of the key with the most waiters.

        Return False if that key would end up with fewer waiters than `newcomer`.
        """
        if self.queue_full:
            return False
        most = max(self._waiting.values(), key=lambda share: len(share.waiting))
        if len(most.waiting) <= len(newcomer.waiting) + 1:
            return False
        waiter = most.waiting.pop()
        self._queued -= 1
        if not waiter.done():
            waiter.set_result(False)
        return True

    def _share(self, key: str) -> _Share:
        share = self._shares.get(key)
        if share is None:
            share = self._shares[key] = _Share()
        return share

    def _drop_if_unused(self, key: str) -> None:
        share = self._shares.get(key)
        if share and not share.held and not share.waiting and key not in self._claims:
            del self._shares[key]
