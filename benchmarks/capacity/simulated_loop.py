"""An asyncio event loop whose clock is simulated: only the work that is told costs time."""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar

T = TypeVar("T")

NO_FILES: Final[Mapping[Any, selectors.SelectorKey]] = {}


class _IdleSelector(selectors.BaseSelector):
    """Waits for timers by moving the clock; no file is ever ready."""

    def __init__(self) -> None:
        self.now = self.idle = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("the simulation waits for something that will never happen")
        waited = max(0.0, timeout)
        self.now += waited
        self.idle += waited
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return NO_FILES


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Runs coroutines in simulated time, in the order in which asyncio runs them.

    A server with one event loop is a queue with a single server: while one callback works, all
    others wait. `spend` is that work.

    Attributes:
        busy: The seconds that were spent.
    """

    def __init__(self) -> None:
        self._simulated = _IdleSelector()
        self.busy = 0.0
        super().__init__(self._simulated)

    def time(self) -> float:
        """Return the simulated time in seconds."""
        return self._simulated.now

    @property
    def idle(self) -> float:
        """The seconds in which the loop had nothing to do."""
        return self._simulated.idle

    def spend(self, seconds: float) -> None:
        """Work for this time; nothing else runs meanwhile."""
        self._simulated.now += seconds
        self.busy += seconds


def simulate(main: Coroutine[Any, Any, T], loop: SimulatedLoop) -> T:
    """Run a coroutine to its end and close the loop."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main)
