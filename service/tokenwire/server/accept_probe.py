"""Measures how long calls wait in gRPC before the server accepts them.

gRPC passes a few calls at a time to the server. The others wait in its core in FIFO order, and no
handler or interceptor can read how long. Therefore the process sends probe calls to itself. When
the server accepts a call while a probe is still waiting, the call was queued before the probe and
has waited at least as long.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import grpc

from tokenwire.server import private_directory
from tokenwire.server.interceptors.base import Metadata

PROBE_KEY: Final = "x-tokenwire-probe"
CHANNEL_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    # Without it, two servers in one process would share a connection.
    ("grpc.use_local_subchannel_pool", 1),
)

IDLE_INTERVAL_SECONDS: Final = 1.0
"""The interval between probes while few calls arrive."""
BUSY_INTERVAL_SECONDS: Final = 0.02
"""The least interval between probes while many calls arrive. It is the resolution of the measured
waits."""
BUSY_CALLS: Final = 16
"""The busy interval applies once this many calls have been accepted since the latest probe."""
BACKLOG_SECONDS: Final = 0.02
"""Calls count as backlogged once one has waited this long in gRPC."""
MAX_PROBES: Final = 16
"""The most probes in flight per method. Each costs 0.5 ms of CPU."""
TIMEOUT_SECONDS: Final = 60.0

log = logging.getLogger(__name__)


class _Queue:
    """The calls of one method that wait in gRPC.

    Attributes:
        sent: The time at which each pending probe was sent, oldest first, by its metadata value.
        last_sent: When the latest probe was sent.
        accepted: The number of calls accepted since then.
        probe: Sends a probe; None until the channel is open.
    """

    def __init__(self) -> None:
        self.sent: dict[str, float] = {}
        self.last_sent = 0.0
        self.accepted = 0
        self.probe: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] | None = None

    def forget(self, value: str) -> None:
        """Remove a probe that has arrived or ended."""
        self.sent.pop(value, None)

    def oldest_age(self, now: float) -> float:
        """Return the age of the oldest pending probe in seconds, or 0 if there is none."""
        return now - next(iter(self.sent.values()), now)


class AcceptProbe:
    """Sends probe calls to this process's server over a Unix socket that only this user can open.

    Call `listen`, start the server, then call `start`. Call `stop` before the server stops. If
    no directory for the socket can be created, no probes are sent and all waits read 0.

    Args:
        methods: The paths of the methods to call. gRPC has a queue for each method.
    """

    def __init__(self, methods: Iterable[str]) -> None:
        self._queues = {method: _Queue() for method in methods}
        self._secret = secrets.token_hex(16)
        self._sequence = 0
        self._directory: Path | None = None
        self._channel: grpc.aio.Channel | None = None
        self._timer: asyncio.TimerHandle | None = None

    def listen(self, server: grpc.aio.Server) -> None:
        """Add the probe's socket to the addresses of `server`."""
        try:
            self._directory = private_directory.make()
            self._target = f"unix:{self._directory}/{private_directory.SOCKET}"
            server.add_insecure_port(self._target)
        except (OSError, RuntimeError):
            log.warning("no socket for probes, so waits in gRPC are not known")
            self._directory = None

    def start(self) -> None:
        """Start to send probes."""
        if self._directory:
            self._channel = grpc.aio.insecure_channel(self._target, CHANNEL_OPTIONS)
            for method, queue in self._queues.items():
                queue.probe = self._channel.unary_unary(method)
            self._send_periodically()

    async def stop(self) -> None:
        """Stop sending probes, and cancel those in flight."""
        if self._timer:
            self._timer.cancel()
        channel, self._channel = self._channel, None
        if channel:
            await channel.close(None)
        if self._directory:
            private_directory.remove(self._directory)

    def is_probe(self, method: str, metadata: Metadata) -> bool:
        """Report whether a call of `method` is a probe, and if so record its arrival."""
        for key, value in metadata:
            if key == PROBE_KEY and str(value).startswith(self._secret):
                self._queues[method].forget(str(value))
                return True
        return False

    def record_accepted(self, method: str) -> float:
        """Record that the server accepted a call; return its minimum wait in seconds."""
        now = time.monotonic()
        queue = self._queues[method]
        queue.accepted += 1
        if queue.accepted >= BUSY_CALLS and now - queue.last_sent >= BUSY_INTERVAL_SECONDS:
            self._send(queue, now)
        return queue.oldest_age(now)

    def has_backlog(self) -> bool:
        """Report whether calls are waiting in gRPC now."""
        now = time.monotonic()
        return any(queue.oldest_age(now) >= BACKLOG_SECONDS for queue in self._queues.values())

    def _send_periodically(self) -> None:
        for queue in self._queues.values():
            self._send(queue, time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(
            IDLE_INTERVAL_SECONDS, self._send_periodically
        )

    def _send(self, queue: _Queue, now: float) -> None:
        if self._channel is None or queue.probe is None or len(queue.sent) >= MAX_PROBES:
            return
        queue.accepted = 0
        queue.last_sent = now
        self._sequence += 1
        value = f"{self._secret}-{self._sequence}"
        call = queue.probe(b"", timeout=TIMEOUT_SECONDS, metadata=((PROBE_KEY, value),))
        queue.sent[value] = now
        # A probe that ends without arriving must not count as pending.
        call.add_done_callback(lambda _: queue.forget(value))
