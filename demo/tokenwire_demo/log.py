"""Records the connections and requests of the demo upstream."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from tokenwire_demo.changes import Changes

ClosedBy = Literal["client", "server"]
Outcome = Literal["complete", "closed", "reset", "client gone", "stopped", "failed"]


@dataclass(slots=True, eq=False)
class RequestRecord:
    """A request. Times are `time.monotonic` values in seconds."""

    method: str
    path: str
    """The path with the query."""
    headers: dict[str, str]
    """The headers; names are in lower case."""
    started: float
    body: Any = None
    """The decoded JSON body; None if the body is empty or not JSON."""
    plan: str | None = None
    """The text of the plan; None if the request is not a chat completion."""
    tokens_sent: int = 0
    """The number of text tokens written to the connection."""
    ended: float | None = None
    outcome: Outcome | None = None
    """None while the request is running. "complete": the whole response was written.
    "closed", "reset": the plan ended the connection. "client gone": the client closed first.
    "stopped": the upstream was stopped. "failed": a bug in the demo upstream."""


@dataclass(slots=True, eq=False)
class ConnectionRecord:
    """A connection. Times are `time.monotonic` values in seconds."""

    opened: float
    closed: float | None = None
    closed_by: ClosedBy | None = None
    requests: list[RequestRecord] = field(default_factory=list)


class Log:
    """The records of connections and requests.

    Args:
        limit: The most requests and the most closed connections that are kept. The oldest are
            dropped first. Open connections are always kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._connections: dict[ConnectionRecord, None] = {}
        self._closed: deque[ConnectionRecord] = deque()
        self._requests: deque[tuple[ConnectionRecord, RequestRecord]] = deque()
        self._changes = Changes()
        self.requests_seen = 0
        self.active_requests = 0

    @property
    def connections(self) -> list[ConnectionRecord]:
        """The recorded connections, oldest first."""
        return list(self._connections)

    @property
    def requests(self) -> list[RequestRecord]:
        """The recorded requests, oldest first."""
        return [request for _, request in self._requests]

    @property
    def open_connections(self) -> int:
        """The number of open connections, including idle ones."""
        return len(self._connections) - len(self._closed)

    def connection_opened(self) -> ConnectionRecord:
        """Record a new connection."""
        record = ConnectionRecord(opened=time.monotonic())
        self._connections[record] = None
        self._changes.notify()
        return record

    def connection_closed(self, record: ConnectionRecord, by: ClosedBy) -> None:
        """Record the end of a connection. Later calls for the same connection do nothing."""
        if record.closed is not None:
            return
        record.closed, record.closed_by = time.monotonic(), by
        self._closed.append(record)
        if len(self._closed) > self._limit:
            del self._connections[self._closed.popleft()]
        self._changes.notify()

    def request_started(self, connection: ConnectionRecord, request: RequestRecord) -> None:
        """Record a new request of a connection."""
        connection.requests.append(request)
        self._requests.append((connection, request))
        if len(self._requests) > self._limit:
            owner, oldest = self._requests.popleft()
            owner.requests.remove(oldest)
        self.requests_seen += 1
        self.active_requests += 1
        self._changes.notify()

    def request_ended(self, request: RequestRecord, outcome: Outcome) -> None:
        """Record the outcome of a request."""
        request.ended, request.outcome = time.monotonic(), outcome
        self.active_requests -= 1
        self._changes.notify()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds. It is evaluated after each entry in the log."""
        await self._changes.until(condition)
