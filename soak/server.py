"""Runs `tokenwire serve` as a process, with short timeouts."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from soak.traffic import CANARY

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 30.0
EXPECTED_LEVELS: Final = frozenset({"debug", "info"})
EXPECTED_WARNINGS: Final = frozenset(
    {"call ended", "calls rejected", "the upstream sent bytes that no request asked for"}
)
"""The warnings that faults of the upstream and an overloaded server cause."""

ENVIRONMENT = {
    "TOKENWIRE_LISTEN": "127.0.0.1:0",
    "TOKENWIRE_METRICS_LISTEN": "127.0.0.1:0",
    "TOKENWIRE_LOG_FORMAT": "json",
    "TOKENWIRE_MODELS": "another-model",
    "TOKENWIRE_FIRST_TOKEN_TIMEOUT_SECONDS": "1",
    "TOKENWIRE_IDLE_TIMEOUT_SECONDS": "0.5",
    "TOKENWIRE_STREAM_TIMEOUT_SECONDS": "2",
    "TOKENWIRE_READER_TIMEOUT_SECONDS": "1",
    "TOKENWIRE_REQUEST_TIMEOUT_SECONDS": "1",
    "TOKENWIRE_DRAIN_SECONDS": "0",
    "MALLOC_ARENA_MAX": "1",
}


@dataclass
class Server:
    """A running server.

    Attributes:
        pid: The process id.
        address: HOST:PORT of the gRPC server.
        metrics_address: HOST:PORT of the metrics.
        problems: The unexpected log lines and exit codes.
    """

    pid: int
    address: str
    metrics_address: str
    problems: list[str] = field(default_factory=list)

    def trim(self) -> None:
        """Make the server return free memory to the system."""
        os.kill(self.pid, signal.SIGUSR2)


@asynccontextmanager
async def running_server(base_url: str, at_once: int) -> AsyncIterator[Server]:
    """Run `tokenwire serve` with slots for 90 % of the concurrent calls.

    Leaving the block stops the server with SIGTERM and reads its log to the end.

    Args:
        base_url: The URL of the upstream.
        at_once: The number of concurrent calls.
    """
    max_streams = max(1, at_once * 9 // 10)
    own = {"OPENAI_BASE_URL": base_url, "TOKENWIRE_MAX_STREAMS": str(max_streams)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "soak.trimmed_server", "serve"),
        env={**os.environ, **ENVIRONMENT, **own},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr  # noqa: S101 - asked for above
        async with asyncio.timeout(START_SECONDS):
            entry = json.loads(await process.stderr.readline())
        server = Server(process.pid, entry["address"], entry["metrics_address"])
        reading = asyncio.create_task(_read(process.stderr, server.problems))
        yield server
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_SECONDS):
            code = await process.wait()
        await reading
        if code:
            server.problems.append(f"the server exits with {code}")
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _read(log: asyncio.StreamReader, problems: list[str]) -> None:
    """Read a log to its end; add unexpected lines to `problems`."""
    async for line in log:
        if CANARY.encode() in line:
            problems.append(f"a secret in the log: {line!r}")
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            entry = {"level": "no JSON", "event": ""}
        warned = entry["level"] == "warning" and entry["event"] in EXPECTED_WARNINGS
        if not warned and entry["level"] not in EXPECTED_LEVELS:
            problems.append(f"in the log: {line!r}")
