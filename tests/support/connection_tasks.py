"""The connections of a scripted server, each served in a task of its own."""

import asyncio
from abc import ABC, abstractmethod


class ConnectionTasks(ABC):
    """A server whose connections end when it is closed."""

    def __init__(self) -> None:
        self._serving: set[asyncio.Task[None]] = set()

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection in a task of its own."""
        task = asyncio.ensure_future(self.answer(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def aclose(self) -> None:
        """End every connection."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    @abstractmethod
    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
