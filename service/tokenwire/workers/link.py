"""What a worker and its supervisor tell each other, over a pair of sockets.

The supervisor writes one line, the worker's settings; the worker writes one line,
that it serves or why it cannot. After that only the end counts: a worker drains
when its supervisor closes the link, or is no more.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any, Self


class Link:
    """The worker's side.

    Attributes:
        overrides: The settings that win over the environment.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        overrides: Mapping[str, Any],
    ) -> None:
        self.overrides = overrides
        self._reader = reader
        self._writer = writer
        self._watch: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, descriptor: int) -> Self:
        """Take over an inherited socket and read the settings.

        Raises:
            SystemExit: There is no supervisor any more.
        """
        reader, writer = await open_stream(socket.socket(fileno=descriptor))
        settings = await reader.readline()
        if not settings:
            raise SystemExit
        return cls(reader, writer, json.loads(settings))

    def tell_serving(self, metrics_address: str) -> None:
        """Say that this worker serves, and where its metrics are, HOST:PORT."""
        self._writer.write(line(metrics_address=metrics_address))

    def tell_problems(self, problems: list[str]) -> None:
        """Say why this worker cannot start: a line for each setting that is wrong."""
        self._writer.write(line(problems=problems))

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call back when the supervisor has closed the link, or is no more."""
        self._watch = asyncio.create_task(self._until_closed(callback))

    async def close(self) -> None:
        """Close this side, with everything told."""
        if self._watch:
            self._watch.cancel()
        self._writer.close()
        # The supervisor may be gone already.
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _until_closed(self, callback: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):
            await self._reader.read()
        callback()


async def open_stream(
    end: socket.socket,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a reader and a writer of one end of the pair."""
    return await asyncio.open_unix_connection(sock=end)


def line(**message: Any) -> bytes:
    """Encode a message."""
    return json.dumps(message).encode() + b"\n"
