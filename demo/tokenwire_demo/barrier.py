"""A place in a plan where connections wait until a test lets them go."""

from tokenwire_demo.changes import Changes


class Barrier:
    """Holds every connection that comes to it until it is released."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting = 0
        """How many connections wait here at this moment."""
        self.released = False
        self._changes = Changes()

    async def reached(self, count: int = 1) -> None:
        """Return once at least so many connections wait here at the same time.

        Raises:
            RuntimeError: it is released, so nothing waits here any more.
        """
        await self._changes.until(lambda: self.waiting >= count or self.released)
        if self.released:
            raise RuntimeError(
                f"barrier {self.name!r} is released, so nothing waits there any more;"
                " await reached() before release(), and name each round's barrier anew"
            )

    def release(self) -> None:
        """Let all go: those who wait, and those who come later."""
        self.released = True
        self._changes.notify()

    async def wait(self) -> None:
        """Wait here until released."""
        self.waiting += 1
        self._changes.notify()
        try:
            await self._changes.until(lambda: self.released)
        finally:
            self.waiting -= 1
