"""Renders a registry in the format that a scraper accepts."""

import asyncio
import gzip
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

OPENMETRICS: Final = ("application/openmetrics-text", ("", "1.0.0"))
"""The media type and its accepted versions; Prometheus asks for 1.0.0."""
TEXT: Final = ("text/plain", ("", "0.0.4"))
GZIP_LEVEL: Final = 4
"""Compresses to 1/12 of the size; the default level takes three times as long for 1/13."""


@dataclass(frozen=True)
class ScrapeRequest:
    """The parameters of one scrape.

    Attributes:
        openmetrics: Whether the format is OpenMetrics instead of Prometheus' text format.
        compressed: Whether the text is compressed by gzip.
        names: The names of the series to render; empty for all.
    """

    openmetrics: bool
    compressed: bool
    names: frozenset[str] = frozenset()

    @property
    def content_type(self) -> str:
        """The media type of the response."""
        return CONTENT_TYPE_LATEST if self.openmetrics else CONTENT_TYPE_PLAIN_0_0_4


def accepts_openmetrics(accept: str) -> bool:
    """Return whether an `Accept` header prefers OpenMetrics 1.0.0 to the text format.

    Malformed entries are ignored. `choose_encoder` of prometheus_client is not used, because it
    raises on unknown versions and ignores `q`.
    """
    openmetrics = _quality(accept, OPENMETRICS)
    return openmetrics > 0 and openmetrics >= _quality(accept, TEXT)


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether an `Accept-Encoding` header allows gzip."""
    return _quality(accept_encoding, ("gzip", ("",))) > 0


def _quality(header: str, accepted: tuple[str, tuple[str, ...]]) -> float:
    name, versions = accepted
    best = 0.0
    for entry in header.split(","):
        kind, *parameters = (part.strip().lower() for part in entry.split(";"))
        values = dict(part.split("=", 1) for part in parameters if "=" in part)
        if kind == name and values.get("version", "").strip('"') in versions:
            best = max(best, _number(values.get("q", "1")))
    return best


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


class Renderer:
    """Renders a registry on one thread, one scrape at a time, with a limited share of one core.

    Concurrent scrapes with the same parameters share one text. No scrape gets a text whose
    rendering started before the scrape arrived.

    Args:
        registry: The registry to render.
        share: The most of one core to use, from 0 to 1; the renderer pauses after each text.

    Attributes:
        pause_seconds: The pause after the latest text. It follows from the CPU time of the text,
            not from the time that the thread had to wait for others.
    """

    def __init__(self, registry: CollectorRegistry, share: float) -> None:
        self._registry = registry
        self._pause_ratio = 1 / share - 1
        self.pause_seconds = 0.0
        self._not_before = 0.0
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._latest: tuple[float, ScrapeRequest, bytes] | None = None
        self._executor = ThreadPoolExecutor(1, "metrics-render")

    async def render(self, scrape: ScrapeRequest) -> bytes:
        """Return the text; cancellation ends the wait, but not the rendering."""
        arrived = time.monotonic()
        self._waiting += 1
        try:
            async with self._lock:
                if self._latest and self._latest[0] >= arrived and self._latest[1] == scrape:
                    return self._latest[2]
                await asyncio.sleep(self._not_before - time.monotonic())
                started = time.monotonic()
                text, cpu_seconds = await asyncio.get_running_loop().run_in_executor(
                    self._executor, _text, self._registry, scrape
                )
                self.pause_seconds = cpu_seconds * self._pause_ratio
                self._not_before = time.monotonic() + self.pause_seconds
                self._latest = (started, scrape, text)
                return text
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._latest = None

    def close(self) -> None:
        """Stop rendering; a rendering in progress completes in the background."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _text(registry: CollectorRegistry, scrape: ScrapeRequest) -> tuple[bytes, float]:
    """Return the text, and the seconds of CPU time that it took."""
    started = time.thread_time()
    source = registry.restricted_registry(scrape.names) if scrape.names else registry
    generate = generate_openmetrics if scrape.openmetrics else generate_latest
    text: bytes = generate(source)
    if scrape.compressed:
        text = gzip.compress(text, GZIP_LEVEL)
    return text, time.thread_time() - started
