"""Reads the message of a request within a time limit.

For a unary request, grpc.aio waits for the message without a time limit before it calls the
handler, and it ends a call without a message without a status. Therefore every method is
registered as taking a stream of messages, which is the same on the wire, and the message is
read here.
"""

from __future__ import annotations

import asyncio
from typing import Final

import grpc
from google.protobuf.message import DecodeError

from tokenwire.core.errors import MalformedRequest, RequestTimeout, ServerShuttingDown
from tokenwire.server.bounded_tasks import BoundedTasks, Tasks
from tokenwire.server.interceptors.base import Context

CANCEL_DELAY_SECONDS: Final = 0.5
"""How long the end of the messages may precede the cancellation of the task. When a caller
disconnects, gRPC reports the former first."""


class RequestReader:
    """Reads request messages, and limits how long and how many calls wait for theirs.

    Args:
        seconds: The longest time that a message may take to arrive.
        max_waiting: The most calls that may wait for their message at once.

    Attributes:
        stopping: Whether the server is stopping and reads no more messages.
    """

    def __init__(self, seconds: float, max_waiting: int) -> None:
        self.stopping = False
        self._waiting = BoundedTasks(seconds, max_waiting, self._cancel)
        self._evicted: set[asyncio.Task[object]] = set()

    @property
    def waiting(self) -> int:
        """The number of calls that are waiting for their message."""
        return len(self._waiting)

    def stop(self) -> None:
        """End the wait of every current and future call with ServerShuttingDown."""
        self.stopping = True
        self._waiting.evict_all()

    async def read(self, context: Context) -> object:
        """Return the request's first message. Further messages are not read.

        Raises:
            MalformedRequest: There is no message, or it does not parse.
            RequestTimeout: The message did not arrive in time.
            ServerShuttingDown: The server is stopping.
        """
        if self.stopping:
            raise ServerShuttingDown
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler runs in a task
        self._waiting.add(task)
        try:
            message = await context.read()
            if message is grpc.aio.EOF:
                await asyncio.sleep(CANCEL_DELAY_SECONDS)
                raise MalformedRequest
        except DecodeError:
            raise MalformedRequest from None
        except asyncio.CancelledError:
            if task in self._evicted and not task.uncancel():
                raise (ServerShuttingDown if self.stopping else RequestTimeout) from None
            raise
        finally:
            self._evicted.discard(task)
            self._waiting.discard(task)
        return message

    def _cancel(self, tasks: Tasks) -> None:
        for task in tasks:
            self._evicted.add(task)
            task.cancel()
