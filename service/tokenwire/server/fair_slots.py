"""Limits concurrent answers with slots that are shared fairly among keys.

A key is a connection or a caller. While slots are free, every key gets one. When slots are
scarce, free slots go first to keys of normal priority, and among these to keys that hold less
than their fair share. Running answers are never ended to free a slot.
"""

import asyncio
import time
from typing import Final

from tokenwire.server.share_group import ShareGroup
from tokenwire.server.share_key import ShareKey

LOW_TURN: Final = 10
"""While all slots are wanted, keys of low priority get one in so many of those that become free,
until they hold one in so many of all."""


class FairSlots:
    """A fixed number of slots, a queue for them, and claims of rejected keys.

    A released slot goes to the waiting key that holds the fewest slots, round robin among
    equals. A key that was rejected while below its share gets a claim: for `claim_seconds` one
    free slot is reserved for it against keys at or above their share. Without claims, a caller
    that waits before its retry, as requested, would lose to callers that retry immediately.

    Keys of low priority wait for all others: in the queue, which rejects them first, and before
    free slots that are reserved for others. They share what the others leave. One in LOW_TURN
    slots goes to them nevertheless, so that they do not starve.

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
        self._claim_seconds = claim_seconds
        self._normal = ShareGroup(claim_seconds)
        self._low = ShareGroup(claim_seconds)
        # The slots that went to others since the latest one of low priority, while it was wanted.
        self._passed_over = 0
        self._low_wanted_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def taken(self) -> int:
        """The number of slots in use."""
        return self._slots - self._free

    @property
    def queued(self) -> int:
        """The number of waiters in the queue."""
        return self._normal.queued + self._low.queued

    @property
    def full(self) -> bool:
        """Whether no slot is free."""
        return not self._free

    @property
    def tracked_keys(self) -> int:
        """The number of keys with slots, waiters or claims."""
        return self._normal.tracked_keys + self._low.tracked_keys

    @property
    def queue_full(self) -> bool:
        """Whether the queue is full, so that a further waiter must displace another."""
        return self.queued >= self._max_queue

    def has_place(self, key: ShareKey) -> bool:
        """Report whether the queue has a place for a waiter of `key`."""
        return not self.queue_full or self._giving_way(key) is not None

    def reserved(self) -> int:
        """Return the number of free slots that are reserved for claims. Thread-safe."""
        now = time.monotonic()
        return min(self._free, self._normal.count_claims(now) + self._low.count_claims(now))

    def take(self, key: ShareKey) -> bool:
        """Take a slot for `key`; return False if none is available to it."""
        if not self._free or not self._may_take(key):
            return False
        self._group(key).grant(key)
        self._note_granted(key)
        return True

    def release(self, key: ShareKey) -> None:
        """Return a slot that `key` held, and pass it to the next waiter."""
        self._free += 1
        self._group(key).release(key)
        self._hand_over()

    def enqueue(self, key: ShareKey, waiter: asyncio.Future[bool]) -> bool:
        """Add `waiter` to the queue; return False if the queue is full.

        The waiter's result is True when it gets a slot, and False when it is displaced by a key
        of a higher priority, or of the same priority with fewer waiters.
        """
        if self.queue_full:
            giving_way = self._giving_way(key)
            if giving_way is None:
                return False
            self._group(giving_way).displace(giving_way)
        self._group(key).enqueue(key, waiter)
        self._hand_over()
        return True

    def leave(self, key: ShareKey, waiter: asyncio.Future[bool]) -> None:
        """Remove `waiter` from the queue, or release the slot that it has got meanwhile."""
        if self._group(key).remove(key, waiter):
            return
        if waiter.done() and not waiter.cancelled() and waiter.result():
            self.release(key)

    def claim(self, key: ShareKey) -> None:
        """Record that `key` was rejected. If it holds less than its share, it gets a claim."""
        if key.low:
            self._low_wanted_until = time.monotonic() + self._claim_seconds
        # With free slots, the key was rejected for another reason or is not below its share.
        # The name is empty if the peer has disconnected.
        if not self._free and key.name:
            self._group(key).claim(key, self._shared_by(key), self._slots)

    def drop_expired_claims(self) -> None:
        """Remove expired claims."""
        self._normal.drop_expired_claims()
        self._low.drop_expired_claims()

    def _group(self, key: ShareKey) -> ShareGroup:
        return self._low if key.low else self._normal

    def _shared_by(self, key: ShareKey) -> int:
        """Return the number of slots that the keys of this priority share."""
        return self._slots - self._normal.held if key.low else self._slots

    def _may_take(self, key: ShareKey) -> bool:
        """Report whether `key` may take one of the free slots."""
        if not key.low:
            return self._normal.may_take(key, self._free, self._slots)
        if self._low_is_due():
            return True
        free = self._free - self._normal.claims()
        return free > 0 and self._low.may_take(key, free, self._shared_by(key))

    def _low_is_due(self) -> bool:
        """Report whether the next slot should go to a key of low priority."""
        most = max(1, self._slots // LOW_TURN)
        return self._passed_over >= LOW_TURN - 1 and self._low.held < most

    def _note_granted(self, key: ShareKey) -> None:
        self._free -= 1
        if key.low:
            self._passed_over = 0
        elif self._low.queued or (
            self._low_wanted_until and time.monotonic() < self._low_wanted_until
        ):
            self._passed_over += 1

    def _hand_over(self) -> None:
        """Pass the free slots to waiters, except slots that are reserved for other keys."""
        while self._free and self.queued:
            low_first = self._low.queued and (not self._normal.queued or self._low_is_due())
            group = self._low if low_first else self._normal
            key = group.next_key()
            if not self._may_take(key):
                self._hand_over_later()
                return
            if group.grant_next(key):
                self._note_granted(key)

    def _hand_over_later(self) -> None:
        """Call `_hand_over` again when the first claim expires."""
        if self._timer:
            self._timer.cancel()
        expiries = (self._normal.next_expiry(), self._low.next_expiry())
        first = min(expiry for expiry in expiries if expiry is not None)
        seconds = max(first - time.monotonic(), 0.001)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._hand_over)

    def _giving_way(self, newcomer: ShareKey) -> ShareKey | None:
        """Return the key that gives up a waiter for a newcomer; None if none does."""
        if not newcomer.low:
            return self._low.giving_way() or self._normal.giving_way(newcomer)
        if not self._low.queued and self._low_is_due():
            return self._normal.giving_way()
        return self._low.giving_way(newcomer)
