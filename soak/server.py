"""A real server as a process of its own, with short timeouts."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

START_SECONDS = 30.0

ENVIRONMENT = {
    "TOKENWIRE_LISTEN": "127.0.0.1:0",
    "TOKENWIRE_METRICS_LISTEN": "127.0.0.1:0",
    "TOKENWIRE_LOG_FORMAT": "json",
    "TOKENWIRE_MODELS": "another-model",
    "TOKENWIRE_FIRST_TOKEN_TIMEOUT_SECONDS": "1",
    "TOKENWIRE_IDLE_TIMEOUT_SECONDS": "0.5",
    "TOKENWIRE_STREAM_TIMEOUT_SECONDS": "2",
    "TOKENWIRE_READER_TIMEOUT_SECONDS": "1",
}


@dataclass(frozen=True)
class Server:
    """Where it listens."""

    address: str
    metrics_address: str


@asynccontextmanager
async def running_server(base_url: str, at_once: int) -> AsyncIterator[Server]:
    """Run `tokenwire serve` for an upstream; it is overloaded a little by so many calls."""
    own = {"OPENAI_BASE_URL": base_url, "TOKENWIRE_MAX_STREAMS": str(max(1, at_once * 9 // 10))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tokenwire", "serve"),
        env={**os.environ, **ENVIRONMENT, **own},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr  # noqa: S101 - asked for above
        async with asyncio.timeout(START_SECONDS):
            entry = json.loads(await process.stderr.readline())
        reading = asyncio.create_task(_discard(process.stderr))
        yield Server(entry["address"], entry["metrics_address"])
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    await reading


async def _discard(log: asyncio.StreamReader) -> None:
    while await log.read(1 << 16):
        pass
