"""What a worker and its supervisor tell each other, over a pair of sockets.

The supervisor writes one line, the worker's settings; the worker writes one line,
that it serves or why it cannot. From then on the worker's event loop writes a line
again and again, which tells that it runs. A worker drains when its supervisor
closes the link, or is no more.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

BEAT_SECONDS: Final = 0.5
"""How often a worker tells that its event loop runs."""
LINE_BYTES: Final = 65_536
"""The longest message."""


class LinkError(Exception):
    """The other side sent what is no message."""


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
        self._beat: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, descriptor: int) -> Self:
        """Take over an inherited socket and read the settings.

        Raises:
            SystemExit: There is no supervisor, or no more.
        """
        try:
            reader, writer = await open_stream(socket.socket(fileno=descriptor))
            settings = await read_message(reader)
        except (OSError, LinkError):
            raise SystemExit("tokenwire: only a supervisor starts workers") from None
        if settings is None:
            raise SystemExit
        return cls(reader, writer, settings)

    def tell_serving(self, metrics_address: str) -> None:
        """Say that this worker serves, and where its metrics are, HOST:PORT.

        From now on the event loop tells that it runs.
        """
        self._writer.write(line(metrics_address=metrics_address))
        self._beat_later()

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
        if self._beat:
            self._beat.cancel()
        self._writer.close()
        # The supervisor may be gone already.
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def _beat_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._beat = loop.call_later(BEAT_SECONDS, self._tell_running)

    def _tell_running(self) -> None:
        if self._writer.transport.is_closing():
            return
        # A supervisor that does not read, because it is stopped, must not fill the memory.
        if not self._writer.transport.get_write_buffer_size():
            self._writer.write(line(running=True))
        self._beat_later()

    async def _until_closed(self, callback: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):
            while await self._reader.read(LINE_BYTES):
                pass
        callback()


async def open_stream(
    end: socket.socket,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a reader and a writer of one end of the pair."""
    return await asyncio.open_unix_connection(sock=end, limit=LINE_BYTES)


async def read_message(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """Return the next message, or None when the other side is closed.

    Raises:
        LinkError: What came is no message, or too long for one.
    """
    try:
        text = await reader.readline()
        if not text.endswith(b"\n"):
            return None
        message = json.loads(text)
    except OSError:
        return None
    except (ValueError, RecursionError):
        raise LinkError from None
    if not isinstance(message, dict):
        raise LinkError
    return message


def line(**message: Any) -> bytes:
    """Encode a message."""
    return json.dumps(message).encode() + b"\n"
