"""Slots for answers, shared fairly among those who ask for them.

While there are slots for all, anyone gets one. When slots are short, each key
(a connection, or a caller) has a fair share of them, and what is free goes first
to those below theirs. No answer that runs is ended for that.
"""

import asyncio
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Share:
    """What one key has of the slots and of the queue."""

    held: int = 0
    waiting: deque[asyncio.Future[bool]] = field(default_factory=deque)


class FairSlots:
    """Slots, a queue for them, and claims of keys that were rejected.

    Of those who wait the next slot goes to the key that holds the fewest, in turn
    among equals. A key that was rejected below its share has a claim: for a while
    a free slot is kept for it from those at or above theirs, because who is told to
    come back later would else always come after those who ask without a pause.

    All that is kept is bounded by the numbers of slots and of places in the queue.

    Args:
        slots: How many there are.
        places: The most that may wait for one.
        claim_seconds: How long a claim lasts.
    """

    def __init__(self, slots: int, places: int, claim_seconds: float) -> None:
        self._slots = slots
        self._free = slots
        self._places = places
        self._queued = 0
        self._claim_seconds = claim_seconds
        self._shares: dict[str, _Share] = {}
        # Those with someone in the queue, in the order of their turns.
        self._waiting: dict[str, _Share] = {}
        # When each claim ends, the first to end first.
        self._claims: OrderedDict[str, float] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def taken(self) -> int:
        """Slots in use."""
        return self._slots - self._free

    @property
    def queued(self) -> int:
        """How many wait for a slot."""
        return self._queued

    @property
    def full(self) -> bool:
        """Whether there is no slot for anyone."""
        return not self._free

    @property
    def queue_full(self) -> bool:
        """Whether there is no place in the queue, even in place of another's."""
        return self._queued >= self._places and self._queued == len(self._waiting)

    @property
    def known_keys(self) -> int:
        """Keys of which anything is kept."""
        return len(self._shares)

    def reserved(self) -> int:
        """Return how many free slots are kept for claims; any thread may call this."""
        now = time.monotonic()
        return min(self._free, sum(end > now for end in tuple(self._claims.values())))

    def take(self, key: str) -> bool:
        """Take a slot, if there is one for `key`."""
        if not self._free or not self._has_turn(key):
            return False
        self._grant(key)
        return True

    def give_back(self, key: str) -> None:
        """Return a slot that `key` held; the next who waits gets it."""
        self._free += 1
        self._shares[key].held -= 1
        self._forget(key)
        self._hand_over()

    def enqueue(self, key: str, place: asyncio.Future[bool]) -> bool:
        """Let `place` wait for a slot; return False if there is no room for it.

        Its result is True with a slot, or False if it lost its place to a key with
        fewer places.
        """
        share = self._share(key)
        if self._queued >= self._places and not self._make_room(share):
            self._forget(key)
            return False
        share.waiting.append(place)
        self._waiting.setdefault(key, share)
        self._queued += 1
        self._hand_over()
        return True

    def leave(self, key: str, place: asyncio.Future[bool]) -> None:
        """Stop waiting; a slot that was handed over meanwhile is given back."""
        share = self._shares.get(key)
        if share and place in share.waiting:
            share.waiting.remove(place)
            self._queued -= 1
            if not share.waiting:
                del self._waiting[key]
            self._forget(key)
        elif place.done() and not place.cancelled() and place.result():
            self.give_back(key)

    def claim(self, key: str) -> None:
        """Note that `key` was rejected; below its share it has a claim to the next slot."""
        if self._free or not key:
            # It was rejected for something else or is not below its share, or its caller has left.
            return
        self.drop_old_claims()
        if key not in self._claims and len(self._claims) >= self._slots:
            return
        if self._is_below_share(key):
            self._share(key)
            self._claims[key] = time.monotonic() + self._claim_seconds
            self._claims.move_to_end(key)

    def drop_old_claims(self) -> None:
        """Forget the claims that have ended."""
        now = time.monotonic()
        while self._claims:
            key, end = next(iter(self._claims.items()))
            if end > now:
                return
            del self._claims[key]
            self._forget(key)

    def _has_turn(self, key: str) -> bool:
        """Tell whether `key` may have one of the free slots."""
        if not self._claims:
            return True
        self.drop_old_claims()
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
        """Give the free slots to those who wait, as far as they are not kept for others."""
        while self._free and self._waiting:
            key = self._neediest()
            if not self._has_turn(key):
                self._hand_over_later()
                return
            share = self._waiting.pop(key)
            place = share.waiting.popleft()
            self._queued -= 1
            if share.waiting:
                # At the end: its others wait for their next turn.
                self._waiting[key] = share
            # Others have left meanwhile.
            if not place.done():
                self._grant(key)
                place.set_result(True)
            self._forget(key)

    def _hand_over_later(self) -> None:
        """Look again when the first claim ends."""
        if self._timer:
            self._timer.cancel()
        seconds = next(iter(self._claims.values())) - time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(max(seconds, 0.001), self._hand_over)

    def _neediest(self) -> str:
        """Return the key that holds the fewest slots of those who wait."""
        fewest, neediest = self._slots + 1, ""
        for key, share in self._waiting.items():
            if share.held < fewest:
                fewest, neediest = share.held, key
                if not fewest:
                    break
        return neediest

    def _make_room(self, newcomer: _Share) -> bool:
        """Take the last place of the key with the most, if that leaves it no fewer than others."""
        if self.queue_full:
            return False
        most = max(self._waiting.values(), key=lambda share: len(share.waiting))
        if len(most.waiting) <= len(newcomer.waiting) + 1:
            return False
        place = most.waiting.pop()
        self._queued -= 1
        if not place.done():
            place.set_result(False)
        return True

    def _share(self, key: str) -> _Share:
        share = self._shares.get(key)
        if share is None:
            share = self._shares[key] = _Share()
        return share

    def _forget(self, key: str) -> None:
        share = self._shares.get(key)
        if share and not share.held and not share.waiting and key not in self._claims:
            del self._shares[key]
