"""The protocol between a worker and its supervisor, over a pair of sockets.

Each message is one line of JSON. The supervisor sends the worker's settings. The worker replies
that it serves, or why it cannot start, and then sends a heartbeat from its event loop every
HEARTBEAT_SECONDS. A worker drains when the supervisor closes the link or ends.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

HEARTBEAT_SECONDS: Final = 0.5
"""The interval of a worker's heartbeats."""
MAX_MESSAGE_BYTES: Final = 65_536
"""The longest message."""


class LinkError(Exception):
    """The other side sent an invalid message."""


class Link:
    """The worker's end of the link.

    Args:
        reader: Reads from the supervisor.
        writer: Writes to the supervisor.
        overrides: See Attributes.

    Attributes:
        overrides: The settings that override the environment, by field name.
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
        self._close_watch: asyncio.Task[None] | None = None
        self._heartbeat: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, descriptor: int) -> Self:
        """Open the link on an inherited socket and read the settings.

        Args:
            descriptor: The file descriptor of the socket.

        Raises:
            SystemExit: The descriptor is not a link, or the supervisor has ended.
        """
        try:
            reader, writer = await open_stream(socket.socket(fileno=descriptor))
            settings = await read_message(reader)
        except (OSError, LinkError):
            raise SystemExit("tokenwire: only a supervisor starts workers") from None
        if settings is None:
            raise SystemExit
        return cls(reader, writer, settings)

    def report_serving(self, metrics_address: str) -> None:
        """Report that this worker serves, and start the heartbeats.

        Args:
            metrics_address: HOST:PORT of the worker's metrics.
        """
        self._writer.write(encode_message(metrics_address=metrics_address))
        self._schedule_heartbeat()

    def report_problems(self, problems: list[str]) -> None:
        """Report why this worker cannot start, with one line per invalid setting."""
        self._writer.write(encode_message(problems=problems))

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the supervisor has closed the link or has ended."""
        self._close_watch = asyncio.create_task(self._until_closed(callback))

    async def close(self) -> None:
        """Flush all messages and close this end."""
        if self._close_watch:
            self._close_watch.cancel()
        if self._heartbeat:
            self._heartbeat.cancel()
        self._writer.close()
        # The supervisor may have ended already.
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def _schedule_heartbeat(self) -> None:
        loop = asyncio.get_running_loop()
        self._heartbeat = loop.call_later(HEARTBEAT_SECONDS, self._send_heartbeat)

    def _send_heartbeat(self) -> None:
        if self._writer.transport.is_closing():
            return
        # While the supervisor is stopped and reads nothing, the buffer must not grow.
        if not self._writer.transport.get_write_buffer_size():
            self._writer.write(encode_message(running=True))
        self._schedule_heartbeat()

    async def _until_closed(self, callback: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):
            while await self._reader.read(MAX_MESSAGE_BYTES):
                pass
        callback()


async def open_stream(
    end: socket.socket,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a reader and a writer for one end of the socket pair."""
    return await asyncio.open_unix_connection(sock=end, limit=MAX_MESSAGE_BYTES)


async def read_message(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """Return the next message, or None once the other end is closed.

    Raises:
        LinkError: The message is invalid or too long.
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


def encode_message(**message: Any) -> bytes:
    """Return a message as one line of JSON."""
    return json.dumps(message).encode() + b"\n"
