"""What the demo upstream saw: its connections and requests, and waiting for them."""

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
    """One request. Times are monotonic seconds (`time.monotonic`)."""

    method: str
    path: str
    """With the query, if there is one."""
    headers: dict[str, str]
    """Names in lower case."""
    started: float
    body: Any = None
    """The decoded JSON body; None where there is none or it is not JSON."""
    plan: str | None = None
    """The text of the plan that was played; None for anything but a chat completion."""
    tokens_sent: int = 0
    """Tokens of answer text handed to the connection."""
    ended: float | None = None
    outcome: Outcome | None = None
    """None while it runs. "complete": the response was written to its end. "closed",
    "reset": the plan ended the connection. "client gone": the client closed first.
    "stopped": the upstream was stopped. "failed": a bug in the demo upstream."""


@dataclass(slots=True, eq=False)
class ConnectionRecord:
    """One connection. Times are monotonic seconds (`time.monotonic`)."""

    opened: float
    closed: float | None = None
    closed_by: ClosedBy | None = None
    requests: list[RequestRecord] = field(default_factory=list)


class Log:
    """The upstream's memory.

    Args:
        limit: How many requests, and how many closed connections, it remembers; the
            oldest are forgotten first. What is still open is never forgotten.
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
        """Every remembered connection, oldest first."""
        return list(self._connections)

    @property
    def requests(self) -> list[RequestRecord]:
        """Every remembered request, oldest first."""
        return [request for _, request in self._requests]

    @property
    def open_connections(self) -> int:
        """How many connections are open, idle ones included."""
        return len(self._connections) - len(self._closed)

    def connection_opened(self) -> ConnectionRecord:
        """Remember a new connection."""
        record = ConnectionRecord(opened=time.monotonic())
        self._connections[record] = None
        self._changes.notify()
        return record

    def connection_closed(self, record: ConnectionRecord, by: ClosedBy) -> None:
        """Note the end of a connection; only the first call for it counts."""
        if record.closed is not None:
            return
        record.closed, record.closed_by = time.monotonic(), by
        self._closed.append(record)
        if len(self._closed) > self._limit:
            del self._connections[self._closed.popleft()]
        self._changes.notify()

    def request_started(self, connection: ConnectionRecord, request: RequestRecord) -> None:
        """Remember a new request of a connection."""
        connection.requests.append(request)
        self._requests.append((connection, request))
        if len(self._requests) > self._limit:
            owner, oldest = self._requests.popleft()
            owner.requests.remove(oldest)
        self.requests_seen += 1
        self.active_requests += 1
        self._changes.notify()

    def request_ended(self, request: RequestRecord, outcome: Outcome) -> None:
        """Note how a request ended."""
        request.ended, request.outcome = time.monotonic(), outcome
        self.active_requests -= 1
        self._changes.notify()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds; it is looked at after each entry in the log."""
        await self._changes.until(condition)
