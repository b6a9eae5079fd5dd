"""Limits the number of writes per event-loop iteration."""

import asyncio
from collections import deque
from typing import Final

WRITES_PER_TURN: Final = 32
PAUSE_FACTOR: Final = 1.0
"""Length of the pause after a full turn, as a multiple of the turn's duration."""


class WritePacer:
    """Admits at most `per_turn` writes per event-loop iteration; the rest wait in FIFO order.

    After each full turn the pacer admits no write for as long as the turn took. gRPC accepts
    new calls and health checks in these pauses; without them, an event loop that is full of
    writes starves both. Tokens that arrive during a pause are sent in one Answer, which saves
    more time than the pause takes. A write outside of a burst is admitted without a delay.

    Args:
        per_turn: The most writes per iteration.
    """

    def __init__(self, per_turn: int = WRITES_PER_TURN) -> None:
        self._loop = asyncio.get_running_loop()
        self._per_turn = per_turn
        self._admitted = 0
        # True from the first write until a turn ends with no write waiting. While it is true,
        # exactly one callback is scheduled.
        self._active = False
        self._turn_started = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def turn(self) -> "PacedTurn":
        """Return the turn of a new call. It is taken, because a first message never waits."""
        return PacedTurn(self)

    def must_wait(self) -> bool:
        """Admit a write and return False, or return True if the caller must await `wait`."""
        if not self._active:
            self._active = True
            self._turn_started = self._loop.time()
            self._loop.call_soon(self._end_turn)
        if self._admitted < self._per_turn:
            self._admitted += 1
            return False
        return True

    async def wait(self) -> None:
        """Wait until the write is admitted in a later turn."""
        admitted = self._loop.create_future()
        self._waiting.append(admitted)
        await admitted

    def _end_turn(self) -> None:
        if self._waiting:
            # No write is admitted during the pause.
            self._admitted = self._per_turn
            pause = PAUSE_FACTOR * (self._loop.time() - self._turn_started)
            self._loop.call_later(pause, self._begin_turn)
        else:
            self._admitted = 0
            self._active = False

    def _begin_turn(self) -> None:
        self._admitted = 0
        self._turn_started = self._loop.time()
        while self._waiting and self._admitted < self._per_turn:
            admitted = self._waiting.popleft()
            # Callers that were cancelled do not use up the turn.
            if not admitted.done():
                admitted.set_result(None)
                self._admitted += 1
        self._loop.call_soon(self._end_turn)


class PacedTurn:
    """The turn of one call; see `write_turn.WriteTurn`.

    Args:
        pacer: Admits the writes.
    """

    __slots__ = ("_pacer", "taken")

    def __init__(self, pacer: WritePacer) -> None:
        self._pacer = pacer
        self.taken = True

    def must_wait(self) -> bool:
        """Take the turn and return False, or return True if the call must await `wait`."""
        if self.taken:
            return False
        self.taken = not self._pacer.must_wait()
        return not self.taken

    async def wait(self) -> None:
        """Wait for the turn and take it."""
        await self._pacer.wait()
        self.taken = True
