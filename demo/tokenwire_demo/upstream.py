"""The demo upstream."""

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tokenwire_demo.barrier import Barrier
from tokenwire_demo.connection import Connection, OpenConnections
from tokenwire_demo.handler import Handler
from tokenwire_demo.listener import close_listener
from tokenwire_demo.log import ConnectionRecord, Log, RequestRecord
from tokenwire_demo.plan import Plan, parse_plan

# Load tests open thousands of connections at once. The kernel applies its own limit.
_BACKLOG = 4096


class DemoUpstream:
    """An OpenAI-compatible server that simulates a model and fails on demand.

    Use it as an async context manager, or call `start` and `aclose`.

    Args:
        host: The address to listen on.
        port: The port to listen on; 0 for a free port.
        time_to_first_token: Seconds from a request to its first token.
        tokens_per_second: The pace of each answer; 0 for no limit.
        plan: The plan of requests that have none in the script, a header or the prompt.
        log_limit: The most requests and the most closed connections in the log.

    Raises:
        PlanError: The plan is invalid.
        ValueError: A time or a pace is negative.
    """

    def __init__(  # noqa: PLR0913 - independent settings, all with defaults
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        time_to_first_token: float = 0.0,
        tokens_per_second: float = 0.0,
        plan: str = "answer",
        log_limit: int = 10_000,
    ) -> None:
        for name, value in {
            "time_to_first_token": time_to_first_token,
            "tokens_per_second": tokens_per_second,
        }.items():
            if not 0 <= value < float("inf"):
                raise ValueError(f"{name} must be a number of at least 0, got {value}")
        self._host, self._port = host, port
        self._log = Log(log_limit)
        self._script: deque[Plan] = deque()
        self._barriers: dict[str, Barrier] = {}
        self._open = OpenConnections()
        self._server: asyncio.Server | None = None
        self._handler = Handler(
            log=self._log,
            next_scripted=lambda: self._script.popleft() if self._script else None,
            default_plan=parse_plan(plan),
            barrier=self.barrier,
            time_to_first_token=time_to_first_token,
            tokens_per_second=tokens_per_second,
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Start listening.

        Raises:
            OSError: The address is not available.
            RuntimeError: The upstream is already started.
        """
        if self._server is not None:
            raise RuntimeError("the demo upstream is already started")
        self._open = OpenConnections()
        self._server = await asyncio.get_running_loop().create_server(
            self._connect, self._host, self._port, backlog=_BACKLOG
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Stop listening, and end all connections and tasks. The log stays available.

        A later `start` listens on the same port.
        """
        server, self._server = self._server, None
        if server is None:
            return
        await close_listener(server)
        await self._open.close()

    def _connect(self) -> Connection:
        return Connection(self._log, self._handler.handle, self._open)

    @property
    def base_url(self) -> str:
        """The base URL for an OpenAI client, such as `http://127.0.0.1:8080/v1`."""
        if self._server is None:
            raise RuntimeError("the demo upstream has no address before it is started")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/v1"

    def script(self, *plans: str) -> None:
        """Queue plans. Each chat completion or response uses the next one, in the order of arrival.

        Raises:
            PlanError: A plan is invalid; no plan is queued.
        """
        self._script.extend([parse_plan(plan) for plan in plans])

    def clear(self) -> None:
        """Remove the plans that are still queued."""
        self._script.clear()

    def barrier(self, name: str) -> Barrier:
        """Return the barrier at which the step `barrier NAME` waits."""
        return self._barriers.setdefault(name, Barrier(name))

    @property
    def connections(self) -> list[ConnectionRecord]:
        """The connections in the log, oldest first."""
        return self._log.connections

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests in the log, of all connections, oldest first."""
        return self._log.requests

    @property
    def requests_seen(self) -> int:
        """The number of requests since the start."""
        return self._log.requests_seen

    @property
    def open_connections(self) -> int:
        """The number of open connections, including idle ones."""
        return self._log.open_connections

    @property
    def active_requests(self) -> int:
        """The number of requests that are being answered."""
        return self._log.active_requests

    async def wait_for_requests(self, count: int = 1) -> None:
        """Wait until `count` requests have arrived since the start."""
        await self._log.until(lambda: self.requests_seen >= count)

    async def wait_until_idle(self) -> None:
        """Wait until no request is being answered. Idle connections may be open."""
        await self._log.until(lambda: self.active_requests == 0)

    async def wait_until_disconnected(self) -> None:
        """Wait until no connection is open and no request is being answered."""
        await self._log.until(lambda: not self.open_connections and not self.active_requests)

    async def wait_closed(self, connection: ConnectionRecord) -> None:
        """Wait until a connection is closed and all of its requests have ended."""
        await self._log.until(
            lambda: (
                connection.closed is not None
                and all(request.ended is not None for request in connection.requests)
            )
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds. It is evaluated after each entry in the log."""
        await self._log.until(condition)
