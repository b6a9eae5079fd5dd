"""The text of a registry, in the format that a scraper asks for."""

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
"""Media type and versions; Prometheus asks for 1.0.0."""
TEXT: Final = ("text/plain", ("", "0.0.4"))
GZIP_LEVEL: Final = 4
"""A twelfth of the size; the default level takes three times as long for a thirteenth."""


@dataclass(frozen=True)
class Wanted:
    """What one scrape asks for.

    Attributes:
        openmetrics: In OpenMetrics instead of Prometheus' text format.
        compressed: By gzip.
        names: Of the series, if not all.
    """

    openmetrics: bool
    compressed: bool
    names: frozenset[str] = frozenset()

    @property
    def content_type(self) -> str:
        """The media type of the text."""
        return CONTENT_TYPE_LATEST if self.openmetrics else CONTENT_TYPE_PLAIN_0_0_4


def accepts_openmetrics(accept: str) -> bool:
    """Tell whether a header `Accept` prefers OpenMetrics 1.0.0 to the text format.

    Anything that cannot be understood asks for nothing. prometheus_client's own
    `choose_encoder` raises on versions that it does not know, and ignores `q`.
    """
    openmetrics = _quality(accept, OPENMETRICS)
    return openmetrics > 0 and openmetrics >= _quality(accept, TEXT)


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether a header `Accept-Encoding` allows gzip."""
    return _quality(accept_encoding, ("gzip", ("",))) > 0


def _quality(header: str, wanted: tuple[str, tuple[str, ...]]) -> float:
    name, versions = wanted
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
    """Renders a registry on one thread, one text at a time, for a share of one core.

    Scrapes that wait for the same text share the next one. None gets a text
    that was begun before it asked.

    Args:
        registry: What is rendered.
        share: The most of one core that this may take: after each text it rests.
    """

    def __init__(self, registry: CollectorRegistry, share: float) -> None:
        self._registry = registry
        self._rest = 1 / share - 1
        self._rested = 0.0
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._latest: tuple[float, Wanted, bytes] | None = None
        self._executor = ThreadPoolExecutor(1, "metrics-render")

    async def render(self, wanted: Wanted) -> bytes:
        """Return the text; cancelling this ends only the wait."""
        asked = time.monotonic()
        self._waiting += 1
        try:
            async with self._lock:
                if self._latest and self._latest[0] >= asked and self._latest[1] == wanted:
                    return self._latest[2]
                await asyncio.sleep(self._rested - time.monotonic())
                begun = time.monotonic()
                text = await asyncio.get_running_loop().run_in_executor(
                    self._executor, _text, self._registry, wanted
                )
                ended = time.monotonic()
                self._rested = ended + (ended - begun) * self._rest
                self._latest = (begun, wanted, text)
                return text
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._latest = None

    def close(self) -> None:
        """Render no more; what is under way ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _text(registry: CollectorRegistry, wanted: Wanted) -> bytes:
    source = registry.restricted_registry(wanted.names) if wanted.names else registry
    generate = generate_openmetrics if wanted.openmetrics else generate_latest
    text: bytes = generate(source)
    return gzip.compress(text, GZIP_LEVEL) if wanted.compressed else text
