"""A real Redis."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from support.ports import free_port


class RedisServer:
    """A Redis that can be stopped, frozen and started again with what it had saved.

    Args:
        folder: An empty folder for its files.

    Attributes:
        port: Its port on loopback.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"redis://127.0.0.1:{self.port}/0"

    async def start(self, *options: str) -> None:
        """Start it, and wait until it answers."""
        self._process = await asyncio.create_subprocess_exec(
            *("redis-server", "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--dir", str(self._folder), "--save", "", "--appendonly", "yes"),
            *("--logfile", str(self._folder / "redis.log")),
            # By default 10,000 above the other one, which may be no port.
            *("--cluster-port", str(free_port()), *options),
        )
        async with asyncio.timeout(20), self.client() as client:
            while not await _answers(client):  # noqa: ASYNC110 - another process raises no event
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def client(self) -> AsyncIterator["Redis"]:
        """Yield a client."""
        client = Redis.from_url(self.url)
        try:
            yield client
        finally:
            await client.aclose()

    async def kill(self) -> None:
        """End it without a warning."""
        if self._process and self._process.returncode is None:
            self.thaw()
            self._process.kill()
            await self._process.wait()

    def freeze(self) -> None:
        """Make it answer nothing, while its port stays open."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)


async def _answers(client: "Redis") -> bool:
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False


@asynccontextmanager
async def sentinel(folder: Path, primary: RedisServer, service: str) -> AsyncIterator[int]:
    """Run a Sentinel that watches a primary, and yield its port."""
    port = free_port()
    path = folder / "sentinel.conf"
    path.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\nlogfile {folder}/sentinel.log\n"
        f"sentinel monitor {service} 127.0.0.1 {primary.port} 1\n"
        f"sentinel down-after-milliseconds {service} 500\n"
        f"sentinel failover-timeout {service} 2000\n"
    )
    process = await asyncio.create_subprocess_exec("redis-server", str(path), "--sentinel")
    try:
        client = Redis(host="127.0.0.1", port=port)
        async with asyncio.timeout(20), aclosing(client):
            while not await _knows_replica(client, service):  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.01)
        yield port
    finally:
        process.kill()
        await process.wait()


async def serve_all_slots(server: RedisServer) -> None:
    """Make a server a whole cluster, and wait until it serves."""
    async with server.client() as client, asyncio.timeout(20):
        # The library has no types for commands by their names.
        execute: Any = client.execute_command
        await execute("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
        while "'ok'" not in str(await execute("CLUSTER INFO")):  # noqa: ASYNC110 - its state
            await asyncio.sleep(0.01)


async def _knows_replica(client: "Redis", service: str) -> bool:
    try:
        return bool(await client.sentinel_slaves(service))
    except (RedisError, OSError):
        return False


@asynccontextmanager
async def redis_server(folder: Path, *options: str) -> AsyncIterator[RedisServer]:
    """Run a Redis."""
    server = RedisServer(folder)
    await server.start(*options)
    try:
        yield server
    finally:
        await server.kill()
