"""A server in this process that closes all its connections when it ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

from tokenwire_demo.listener import close_listener

Answer: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Connections:
    """Serves each connection in a separate task and closes it when the task ends."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._errors: list[Exception] = []

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Start serving one connection."""
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks[task] = writer
        task.add_done_callback(self._close)

    def _close(self, task: asyncio.Task[None]) -> None:
        # Not in the task itself, which does not run if it is cancelled before its first step.
        # Unread data must not keep the connection open.
        self._tasks.pop(task).transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # The other side may disconnect at any moment.
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
                writer.close()
                await writer.wait_closed()
        except Exception as error:  # noqa: BLE001 - raised again by aclose
            self._errors.append(error)

    async def aclose(self) -> None:
        """Close all connections and raise the first error of a connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # A task's callbacks run in the next iteration of the loop, and `abort` closes a connection
        # in the one after that.
        for _ in range(2):
            await asyncio.sleep(0)
        for error in self._errors:
            raise error


@asynccontextmanager
async def listening(
    answer: Answer, host: str = "127.0.0.1", **options: Any
) -> AsyncIterator[tuple[str, int]]:
    """Listen on a free port and yield the address and the port.

    Args:
        answer: Serves one connection.
        host: The address to listen on.
        options: See `asyncio.start_server`.
    """
    connections = Connections(answer)
    server = await asyncio.start_server(connections.serve, host, 0, **options)
    address, port = server.sockets[0].getsockname()[:2]
    try:
        yield address, port
    finally:
        await close_listener(server)
        await connections.aclose()
