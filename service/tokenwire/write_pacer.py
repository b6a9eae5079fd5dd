"""Keeps the event loop from being full of writes when more answers flow than it can carry."""

import asyncio
from collections import deque
from typing import Final

PER_TURN: Final = 32
REST: Final = 1.0
"""How long a rest is, as a multiple of the turn before it."""


class Turnstile:
    """Lets so many pass in one turn of the event loop; a crowd passes turn by turn, with rests.

    A loop that is full of writes starves all else: gRPC's own threads, and with them
    new calls, of which gRPC takes one at a time, and health checks. In the rests these
    come through, and tokens that arrive meanwhile leave together, which makes up for the
    time. Who comes alone passes at once.

    Args:
        per_turn: How many may pass.
    """

    def __init__(self, per_turn: int = PER_TURN) -> None:
        self._loop = asyncio.get_running_loop()
        self._per_turn = per_turn
        self._passed = 0
        # From the first who passes until a turn ends without a crowd: one callback is always due.
        self._turning = False
        self._began = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def crowded(self) -> bool:
        """Pass, or return True: then `wait`."""
        if not self._turning:
            self._turning = True
            self._began = self._loop.time()
            self._loop.call_soon(self._end_turn)
        if self._passed < self._per_turn:
            self._passed += 1
            return False
        return True

    async def wait(self) -> None:
        """Pass in a later turn; those who wait pass in the order in which they came."""
        place = self._loop.create_future()
        self._waiting.append(place)
        await place

    def _end_turn(self) -> None:
        if self._waiting:
            # Nobody passes until then.
            self._passed = self._per_turn
            rest = REST * (self._loop.time() - self._began)
            self._loop.call_later(rest, self._begin_turn)
        else:
            self._passed = 0
            self._turning = False

    def _begin_turn(self) -> None:
        self._passed = 0
        self._began = self._loop.time()
        while self._waiting and self._passed < self._per_turn:
            place = self._waiting.popleft()
            # Others have left meanwhile.
            if not place.done():
                place.set_result(None)
                self._passed += 1
        self._loop.call_soon(self._end_turn)
