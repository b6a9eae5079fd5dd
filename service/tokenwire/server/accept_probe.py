"""How long calls wait in gRPC until the server takes them.

gRPC hands over one call at a time. The others wait in its core, in the order in
which they came, and neither a handler nor an interceptor can tell since when. So
this process calls itself: a call that the server takes before such a probe came
before the probe was sent, and has waited at least as long as it.
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

KEY: Final = "x-tokenwire-probe"
OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    # A server beside this one in the same process has a probe of its own.
    ("grpc.use_local_subchannel_pool", 1),
)

QUIET_SECONDS: Final = 1.0
"""Between two probes at rest."""
BUSY_SECONDS: Final = 0.02
"""Between two probes while calls come in numbers: how exact a wait is known."""
CROWD_SECONDS: Final = 0.02
"""Waited in gRPC, by which a crowd is known."""
BUSY_CALLS: Final = 16
"""Taken since the last probe, these are such numbers."""
MOST_PROBES: Final = 16
"""On their way at once. A probe costs half a millisecond of CPU."""
TIMEOUT_SECONDS: Final = 60.0

log = logging.getLogger(__name__)


class AcceptProbe:
    """Calls the server that it belongs to, by a socket that only this user can open.

    Use it in this order: `listen`, then start the server, then `start`; `stop`
    before the server stops. Where no directory can hold the socket there are no
    probes, and no wait is known.

    Args:
        method: The full name of the method to call: each has its own queue in gRPC.
    """

    def __init__(self, method: str) -> None:
        self._method = method
        self._secret = secrets.token_hex(16)
        # When each probe was sent, in order, by what it carries.
        self._sent: dict[str, float] = {}
        self._number = 0
        self._last_sent = 0.0
        self._taken = 0
        self._directory: Path | None = None
        self._channel: grpc.aio.Channel | None = None
        self._timer: asyncio.TimerHandle | None = None

    def listen(self, server: grpc.aio.Server) -> None:
        """Give `server` one more address."""
        try:
            self._directory = private_directory.make()
            self._target = f"unix:{self._directory}/{private_directory.SOCKET}"
            server.add_insecure_port(self._target)
        except (OSError, RuntimeError):
            log.warning("no socket for probes, so waits in gRPC are not known")
            self._directory = None

    def start(self) -> None:
        """Begin to send probes."""
        if self._directory:
            self._channel = grpc.aio.insecure_channel(self._target, OPTIONS)
            self._probe: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
                self._method
            )
            self._send_at_rest()

    async def stop(self) -> None:
        """Send no more; cancel those on their way."""
        if self._timer:
            self._timer.cancel()
        channel, self._channel = self._channel, None
        if channel:
            await channel.close(None)
        if self._directory:
            private_directory.remove(self._directory)

    def is_probe(self, metadata: Iterable[tuple[str, str | bytes]] | None) -> bool:
        """Tell by its metadata whether the call just taken is a probe; note that it has come."""
        for key, value in metadata or ():
            if key == KEY and str(value).startswith(self._secret):
                self._note_end(str(value))
                return True
        return False

    def take(self) -> float:
        """Note that another call was taken; return how many seconds it waited, at least."""
        now = time.monotonic()
        self._taken += 1
        if self._taken >= BUSY_CALLS and now - self._last_sent >= BUSY_SECONDS:
            self._send(now)
        return self._oldest(now)

    def crowded(self) -> bool:
        """Tell whether calls wait now."""
        return self._oldest(time.monotonic()) >= CROWD_SECONDS

    def _oldest(self, now: float) -> float:
        """Return how long the probe that waits longest has waited, or 0 if none does."""
        return now - next(iter(self._sent.values()), now)

    def _send_at_rest(self) -> None:
        self._send(time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._send_at_rest)

    def _send(self, now: float) -> None:
        if self._channel is None or len(self._sent) >= MOST_PROBES:
            return
        self._taken = 0
        self._last_sent = now
        self._number += 1
        content = f"{self._secret}-{self._number}"
        call = self._probe(b"", timeout=TIMEOUT_SECONDS, metadata=((KEY, content),))
        self._sent[content] = now
        # Also if it ends without having come: then it tells nothing.
        call.add_done_callback(lambda _: self._note_end(content))

    def _note_end(self, content: str) -> None:
        self._sent.pop(content, None)
