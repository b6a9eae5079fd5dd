"""The shares of all keys of one priority."""

import asyncio
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from tokenwire.server.share_key import ShareKey


@dataclass(slots=True)
class _Share:
    """The slots and the queued waiters of one key."""

    held: int = 0
    waiting: deque[asyncio.Future[bool]] = field(default_factory=deque)


class ShareGroup:
    """The slots, queued waiters and claims of the keys of one priority.

    A claim reserves a free slot for a key that was rejected below its share.

    Args:
        claim_seconds: How long a claim lasts.

    Attributes:
        held: The number of slots that the keys hold.
        queued: The number of their waiters.
    """

    def __init__(self, claim_seconds: float) -> None:
        self.held = 0
        self.queued = 0
        self._claim_seconds = claim_seconds
        self._shares: dict[ShareKey, _Share] = {}
        # The shares with queued waiters, in round-robin order.
        self._waiting: dict[ShareKey, _Share] = {}
        # The expiry of each claim on the monotonic clock, earliest first.
        self._claims: OrderedDict[ShareKey, float] = OrderedDict()

    @property
    def tracked_keys(self) -> int:
        """The number of keys with slots, waiters or claims."""
        return len(self._shares)

    def may_take(self, key: ShareKey, free: int, slots: int) -> bool:
        """Report whether `key` may take one of `free` slots, which claims of others reserve.

        Args:
            key: The key.
            free: The number of free slots.
            slots: The number of slots that the group shares.
        """
        if not self._claims:
            return True
        self.drop_expired_claims()
        claims_of_others = len(self._claims) - (key in self._claims)
        return free > claims_of_others or self._is_below_share(key, slots)

    def grant(self, key: ShareKey) -> None:
        """Count a slot that `key` takes, which ends its claim."""
        self.held += 1
        self._share(key).held += 1
        self._claims.pop(key, None)

    def release(self, key: ShareKey) -> None:
        """Count a slot that `key` returns."""
        self.held -= 1
        self._shares[key].held -= 1
        self._drop_if_unused(key)

    def enqueue(self, key: ShareKey, waiter: asyncio.Future[bool]) -> None:
        """Add a waiter."""
        share = self._share(key)
        share.waiting.append(waiter)
        self._waiting.setdefault(key, share)
        self.queued += 1

    def next_key(self) -> ShareKey:
        """Return the waiting key that holds the fewest slots, round robin among equals."""
        items = iter(self._waiting.items())
        next_key, fewest = next(items)
        for key, share in items:
            if not fewest.held:
                break
            if share.held < fewest.held:
                next_key, fewest = key, share
        return next_key

    def grant_next(self, key: ShareKey) -> bool:
        """Remove the first waiter of `key`, and grant it a slot unless it was cancelled."""
        share = self._waiting.pop(key)
        waiter = share.waiting.popleft()
        self.queued -= 1
        if share.waiting:
            # Reinserted at the end, for the round robin.
            self._waiting[key] = share
        if waiter.done():
            self._drop_if_unused(key)
            return False
        self.grant(key)
        waiter.set_result(True)
        return True

    def remove(self, key: ShareKey, waiter: asyncio.Future[bool]) -> bool:
        """Remove a waiter; return False if it is not queued."""
        share = self._shares.get(key)
        if not share or waiter not in share.waiting:
            return False
        share.waiting.remove(waiter)
        self.queued -= 1
        if not share.waiting:
            del self._waiting[key]
        self._drop_if_unused(key)
        return True

    def giving_way(self, newcomer: ShareKey | None = None) -> ShareKey | None:
        """Return the key that gives up a waiter for a newcomer: the one with the most.

        Args:
            newcomer: A key of this group. The other key must not end up with fewer waiters than
                it. None: a key of higher priority, to which every key gives way.

        Returns:
            The key; None if none gives way.
        """
        # If each key has one waiter, none has more than a newcomer would have.
        if not self.queued or (newcomer and self.queued == len(self._waiting)):
            return None
        key, most = max(self._waiting.items(), key=lambda item: len(item[1].waiting))
        if newcomer:
            share = self._shares.get(newcomer)
            if len(most.waiting) <= (len(share.waiting) if share else 0) + 1:
                return None
        return key

    def displace(self, key: ShareKey) -> None:
        """Displace the newest waiter of `key`."""
        waiter = self._waiting[key].waiting[-1]
        self.remove(key, waiter)
        if not waiter.done():
            waiter.set_result(False)

    def claim(self, key: ShareKey, slots: int, max_claims: int) -> None:
        """Reserve a free slot for `key` if it holds less than its share.

        Args:
            key: The key, which was rejected.
            slots: The number of slots that the group shares.
            max_claims: The most claims.
        """
        self.drop_expired_claims()
        if key not in self._claims and len(self._claims) >= max_claims:
            return
        if self._is_below_share(key, slots):
            self._share(key)
            self._claims[key] = time.monotonic() + self._claim_seconds
            self._claims.move_to_end(key)

    def claims(self) -> int:
        """Return the number of claims."""
        if self._claims:
            self.drop_expired_claims()
        return len(self._claims)

    def count_claims(self, now: float) -> int:
        """Return the number of claims at the monotonic time `now`. Thread-safe."""
        return sum(expiry > now for expiry in tuple(self._claims.values()))

    def next_expiry(self) -> float | None:
        """Return the monotonic time at which the first claim expires; None without claims."""
        return next(iter(self._claims.values()), None)

    def drop_expired_claims(self) -> None:
        """Remove expired claims."""
        now = time.monotonic()
        while self._claims:
            key, expiry = next(iter(self._claims.items()))
            if expiry > now:
                return
            del self._claims[key]
            self._drop_if_unused(key)

    def _is_below_share(self, key: ShareKey, slots: int) -> bool:
        share = self._shares.get(key)
        if share is None or not share.held:
            return True
        return share.held < slots // len(self._shares)

    def _share(self, key: ShareKey) -> _Share:
        share = self._shares.get(key)
        if share is None:
            share = self._shares[key] = _Share()
        return share

    def _drop_if_unused(self, key: ShareKey) -> None:
        share = self._shares.get(key)
        if share and not share.held and not share.waiting and key not in self._claims:
            del self._shares[key]
