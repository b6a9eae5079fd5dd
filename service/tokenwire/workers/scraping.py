"""Reads the metrics ports of workers."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

import aiohttp
import msgspec
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tokenwire.observability.status import ProcessStatus
from tokenwire.workers.worker import Worker

log = logging.getLogger(__name__)

SCRAPE_SECONDS: Final = 4.0
"""The timeout of the concurrent requests to all workers."""
TOTAL_SECONDS: Final = 8.0
"""The timeout of a scrape with its parsing; Prometheus' own default timeout is 10 seconds."""
MAX_RESPONSE_BYTES: Final = 16 << 20
"""The most bytes of one worker's response; the series of one model take 24 kB."""
MAX_CONNECTIONS: Final = 32
"""The most concurrent requests."""
HEADERS: Final = {
    "Accept": "application/openmetrics-text; version=1.0.0",
    "Accept-Encoding": "identity",
}


def scrape(workers: Sequence[Worker]) -> list[list[Metric]]:
    """Return the metrics of each worker, in the order of `workers`.

    The list of a worker that does not respond, or responds with an invalid text, is empty. The
    calling thread must not run an event loop.
    """
    deadline = time.monotonic() + TOTAL_SECONDS
    texts = asyncio.run(_read_all(workers, "/metrics"))
    return [_parse(worker, text, deadline) for worker, text in zip(workers, texts, strict=True)]


async def statuses(workers: Sequence[Worker]) -> list[ProcessStatus]:
    """Return the status of each worker that responds."""
    texts = await _read_all(workers, "/status.json")
    return [
        msgspec.structs.replace(status, worker=worker.number)
        for worker, text in zip(workers, texts, strict=True)
        for status in _statuses(worker, text)
    ]


def _statuses(worker: Worker, text: bytes) -> list[ProcessStatus]:
    try:
        return msgspec.json.decode(text, type=list[ProcessStatus]) if text else []
    except Exception as error:  # noqa: BLE001 - see _read
        _log_failure(worker, error)
        return []


async def _read_all(workers: Sequence[Worker], path: str) -> list[bytes]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, force_close=True),
        timeout=aiohttp.ClientTimeout(total=SCRAPE_SECONDS),
        auto_decompress=False,
        headers=HEADERS,
    ) as session:
        return await asyncio.gather(*(_read(session, worker, path) for worker in workers))


async def _read(session: aiohttp.ClientSession, worker: Worker, path: str) -> bytes:
    address = worker.metrics_address
    if not address:
        return b""
    try:
        async with session.get(f"http://{address}{path}", allow_redirects=False) as response:
            response.raise_for_status()
            return await _read_limited(response)
    except Exception as error:  # noqa: BLE001 - one worker must not cost the series of the others
        _log_failure(worker, error)
        return b""


async def _read_limited(response: aiohttp.ClientResponse) -> bytes:
    text = bytearray()
    async for part in response.content.iter_any():
        text += part
        if len(text) > MAX_RESPONSE_BYTES:
            raise ValueError("too long")
    return bytes(text)


def _parse(worker: Worker, text: bytes, deadline: float) -> list[Metric]:
    try:
        return _families(text.decode(), deadline) if text else []
    except Exception as error:  # noqa: BLE001 - see _read
        _log_failure(worker, error)
        return []


def _families(text: str, deadline: float) -> list[Metric]:
    families = []
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call] # has no types
        if time.monotonic() > deadline:
            raise TimeoutError
        families.append(family)
    return families


def _log_failure(worker: Worker, error: Exception) -> None:
    fields = {"worker": worker.number, "error": type(error).__name__}
    log.warning("worker shows no metrics", extra=fields)
