"""Callers that disconnect, each in a given phase of the call."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, Final

from support.world import World
from tokenwire_demo.log import ConnectionRecord

PROMPTLY: Final = 0.05
ATTEMPTS: Final = 5

PHASES: Final = {
    "before-headers": "barrier {0}; answer",
    "before-first-token": "headers; barrier {0}; answer",
    "after-role": "role; barrier {0}; answer",
    "mid-stream": "tokens 3; barrier {0}; answer",
    "after-finish-reason": "tokens 3; finish; barrier {0}; done",
    "blocked-in-write": f"tokens 3; barrier {{0}}; filler 100000 {'x' * 500}",
}
"""The upstream's plan for each phase; it brings a call to that phase."""

_names = (f"held-{number}" for number in itertools.count())


class Visit:
    """One call that is brought to a phase, and its connection to the upstream.

    Args:
        world: The world that the call is made in.
        phase: One of PHASES.

    Attributes:
        tokens: The number of tokens that the caller receives before the upstream holds.
        connection: The upstream's record of the connection, once the phase is reached.
    """

    connection: ConnectionRecord

    def __init__(self, world: World, phase: str) -> None:
        self._world = world
        self._blocks = phase == "blocked-in-write"
        self._barrier = world.upstream.barrier(next(_names))
        plan = PHASES[phase].format(self._barrier.name)
        self.tokens = 3 if plan.startswith("tokens 3") else 0
        world.upstream.script(plan)

    async def reached(self, call: Any = None) -> None:
        """Wait until the phase is reached and `call` has received the tokens before it."""
        upstream = self._world.upstream
        await self._barrier.reached()
        [self.connection] = [
            each for each in upstream.connections if upstream.requests[-1] in each.requests
        ]
        text = ""
        while call and len(text.split()) < self.tokens:
            text += (await call.read()).content
        if self._blocks:
            self.release()
            await self._until_blocked()

    def release(self) -> None:
        """Let the upstream continue."""
        self._barrier.release()

    async def seconds_open_after(self, moment: float) -> float:
        """Return the seconds from `moment` until our side closed the connection to the upstream."""
        async with asyncio.timeout(10):
            await self._world.upstream.wait_closed(self.connection)
        assert self.connection.closed is not None
        assert self.connection.closed_by == "client"
        assert self.connection.requests[-1].outcome == "client gone"
        return self.connection.closed - moment

    async def _until_blocked(self) -> None:
        request = self.connection.requests[-1]
        before = -1
        while request.tokens_sent != before:
            before = request.tokens_sent
            # A blocked write raises no event; it shows only as a lack of progress.
            await asyncio.sleep(0.1)
        assert request.ended is None


async def promptly(leave: Callable[[], Awaitable[float]]) -> int:
    """Assert that the upstream connection is closed within 50 ms after a caller leaves.

    Args:
        leave: Makes one call, leaves it and returns the seconds until the connection closed.

    Returns:
        The number of calls that were needed, since other programs share the machine.
    """
    for attempt in range(1, ATTEMPTS + 1):
        seconds = await leave()
        if seconds <= PROMPTLY:
            return attempt
    raise AssertionError(f"the upstream was closed after {seconds} s")
