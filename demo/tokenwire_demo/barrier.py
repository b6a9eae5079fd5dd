"""A barrier in a plan, at which connections wait until a test releases them."""

from tokenwire_demo.changes import Changes


class Barrier:
    """Holds connections until it is released."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting = 0
        """The number of connections that are waiting."""
        self.released = False
        self._changes = Changes()

    async def reached(self, count: int = 1) -> None:
        """Wait until at least `count` connections are waiting at the same time.

        Raises:
            RuntimeError: The barrier is released, so no connection waits any more.
        """
        await self._changes.until(lambda: self.waiting >= count or self.released)
        if self.released:
            raise RuntimeError(
                f"barrier {self.name!r} is released, so no connection waits at it any more;"
                " await reached() before release(), and use a new name for each round"
            )

    def release(self) -> None:
        """Release the connections that are waiting and those that arrive later."""
        self.released = True
        self._changes.notify()

    async def wait(self) -> None:
        """Wait until the barrier is released."""
        self.waiting += 1
        self._changes.notify()
        try:
            await self._changes.until(lambda: self.released)
        finally:
            self.waiting -= 1
