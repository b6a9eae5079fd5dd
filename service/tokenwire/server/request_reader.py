"""Reads the message of a request, within a time limit.

grpc.aio reads the one message of a request before it calls the handler, for as long
as the caller likes, and gives a call without a message no status at all. So it is
told that every method takes a stream of messages, which is the same on the wire, and
the message is read here.
"""

from __future__ import annotations

import asyncio
from typing import Final

import grpc
from google.protobuf.message import DecodeError

from tokenwire.core.errors import MalformedRequest, RequestTimeout, ServerShuttingDown
from tokenwire.server.bounded_tasks import BoundedTasks, Tasks
from tokenwire.server.interceptors.base import Context

LEAVING_SECONDS: Final = 0.5
"""When a caller leaves, gRPC ends the messages of the call a moment before it cancels the task."""


class RequestReader:
    """Reads messages; bounds how long, and how many, calls wait for theirs.

    Args:
        seconds: The longest that a message may take to come.
        most: The most calls that may wait for their message at once.

    Attributes:
        stopping: Whether the server stops, so that no message is waited for any more.
    """

    def __init__(self, seconds: float, most: int) -> None:
        self.stopping = False
        self._waiting = BoundedTasks(seconds, most, self._end)
        self._ended: set[asyncio.Task[object]] = set()

    @property
    def waiting(self) -> int:
        """How many calls wait for their message."""
        return len(self._waiting)

    def stop(self) -> None:
        """End the wait of every call, running or yet to come."""
        self.stopping = True
        self._waiting.take_all()

    async def read(self, context: Context) -> object:
        """Return the request's first message; what the caller sends after it is not read.

        Raises:
            MalformedRequest: There is no message, or it does not parse.
            RequestTimeout: The request did not come in time.
            ServerShuttingDown: The server stopped first.
        """
        if self.stopping:
            raise ServerShuttingDown
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler runs in a task
        self._waiting.add(task)
        try:
            message = await context.read()
            if message is grpc.aio.EOF:
                await asyncio.sleep(LEAVING_SECONDS)
                raise MalformedRequest
        except DecodeError:
            raise MalformedRequest from None
        except asyncio.CancelledError:
            if task in self._ended and not task.uncancel():
                raise (ServerShuttingDown if self.stopping else RequestTimeout) from None
            raise
        finally:
            self._ended.discard(task)
            self._waiting.discard(task)
        return message

    def _end(self, tasks: Tasks) -> None:
        for task in tasks:
            self._ended.add(task)
            task.cancel()
