"""Reads the endpoints of workers."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

import aiohttp
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tokenwire.workers.worker import Worker

log = logging.getLogger(__name__)

SCRAPE_SECONDS: Final = 4.0
"""How long workers may take to answer, all at once."""
READ_SECONDS: Final = 8.0
"""How long that and reading what they say may take; Prometheus gives us ten seconds."""
MOST_BYTES: Final = 16 << 20
"""The most that one worker may tell: a model has 24 kB of series."""
AT_ONCE: Final = 32
HEADERS: Final = {
    "Accept": "application/openmetrics-text; version=1.0.0",
    "Accept-Encoding": "identity",
}


def scrape(workers: Sequence[Worker]) -> list[list[Metric]]:
    """Return what each worker tells; of one that does not answer, or not properly, nothing.

    Call it on a thread that runs no event loop.
    """
    end = time.monotonic() + READ_SECONDS
    texts = asyncio.run(_read_all(workers))
    return [_parse(worker, text, end) for worker, text in zip(workers, texts, strict=True)]


async def _read_all(workers: Sequence[Worker]) -> list[bytes]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=AT_ONCE, force_close=True),
        timeout=aiohttp.ClientTimeout(total=SCRAPE_SECONDS),
        auto_decompress=False,
        headers=HEADERS,
    ) as session:
        return await asyncio.gather(*(_read(session, worker) for worker in workers))


async def _read(session: aiohttp.ClientSession, worker: Worker) -> bytes:
    address = worker.metrics_address
    if not address:
        return b""
    try:
        async with session.get(f"http://{address}/metrics", allow_redirects=False) as response:
            response.raise_for_status()
            return await _limited(response)
    except Exception as error:  # noqa: BLE001 - the series of others must not suffer, whatever it is
        _log_failure(worker, error)
        return b""


async def _limited(response: aiohttp.ClientResponse) -> bytes:
    text = bytearray()
    async for part in response.content.iter_any():
        text += part
        if len(text) > MOST_BYTES:
            raise ValueError("too long")
    return bytes(text)


def _parse(worker: Worker, text: bytes, end: float) -> list[Metric]:
    try:
        return _families(text.decode(), end) if text else []
    except Exception as error:  # noqa: BLE001 - see _read
        _log_failure(worker, error)
        return []


def _families(text: str, end: float) -> list[Metric]:
    found = []
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call] # has no types
        if time.monotonic() > end:
            raise TimeoutError
        found.append(family)
    return found


def _log_failure(worker: Worker, error: Exception) -> None:
    fields = {"worker": worker.number, "error": type(error).__name__}
    log.warning("worker shows no metrics", extra=fields)
