"""A TCP proxy whose network can be cut, as between two nodes of a cluster."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.ports import free_port


class TcpProxy:
    """Forwards connections.

    While it is cut, connections are accepted and stay open, and no byte gets through in either
    direction; what was sent meanwhile arrives afterwards.

    Args:
        port: The port on loopback to which connections are forwarded.

    Attributes:
        port: The port on loopback at which it listens.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._open = asyncio.Event()
        self._open.set()
        self._delay = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = free_port()

    async def start(self) -> None:
        """Start to listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    def cut(self) -> None:
        """Let nothing through."""
        self._open.clear()

    def heal(self) -> None:
        """Undo `cut`."""
        self._open.set()

    def slow(self, seconds: float) -> None:
        """Hold back each answer for some time."""
        self._delay = seconds

    async def aclose(self) -> None:
        """Close all connections, and listen no longer."""
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await self._open.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._copy(reader, back))
                    group.create_task(self._copy(there, writer, answers=True))
            finally:
                back.close()
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            pass
        finally:
            writer.close()

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        answers: bool = False,
    ) -> None:
        while data := await reader.read(65_536):
            await self._open.wait()
            if answers and self._delay:
                await asyncio.sleep(self._delay)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


@asynccontextmanager
async def tcp_proxy(port: int) -> AsyncIterator[TcpProxy]:
    """Run a proxy."""
    proxy = TcpProxy(port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.aclose()
