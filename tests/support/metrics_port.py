"""A metrics port, and peers that send raw bytes to it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from support.waiting import within
from tokenwire.observability.metrics_server import Limits, MetricsServer, PortMetrics

GET = b"GET /metrics HTTP/1.1\r\nHost: me\r\n\r\n"
HALF = GET[:20]
SECONDS = 30.0
"""The timeout of each wait."""


class Gate(Collector):
    """A metric whose collection takes as long as the test wants.

    Attributes:
        collected: The number of collections.
        entered: Set when a scrape reaches this metric.
        opened: Set to let scrapes continue.
        size: The size of the label value in bytes; collection fails if it is negative.
    """

    def __init__(self) -> None:
        self.collected = 0
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.opened.set()
        self.size = 1

    def collect(self) -> Iterator[Metric]:
        """Yield one gauge."""
        self.collected += 1
        self.entered.set()
        assert self.opened.wait(SECONDS)
        if self.size < 0:
            raise ValueError("a text that must not be told")
        gauge = GaugeMetricFamily("gated", "Waits.", labels=["filling"])
        gauge.add_metric(["x" * self.size], self.collected)
        yield gauge


class Port:
    """A metrics port whose scrapes collect a gate.

    Attributes:
        gate: The metric that scrapes collect.
        lateness: The lateness of the event loop that the server reads.
        server: The server.
        peers: All connections that were opened with `open`.
        url: The URL of the server.
    """

    def __init__(self, **limits: Any) -> None:
        self.gate = Gate()
        self.lateness = 0.0
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self.gate)
        metrics = PortMetrics(registry)
        self._metrics = metrics
        self.server = MetricsServer(
            "127.0.0.1:0", registry, metrics, lambda: self.lateness, Limits(**limits)
        )
        self.peers: list[Peer] = []
        self.url = f"http://{self.server.address}"

    def dropped(self, reason: str) -> float:
        """Return the number of connections that were dropped for a reason."""
        [family] = self._metrics.dropped[reason].collect()
        return family.samples[0].value

    async def until_dropped(self, reason: str, times: int) -> None:
        """Wait until `times` connections were dropped for a reason."""
        await within(SECONDS, "dropped", lambda: self.dropped(reason) == times)

    async def open(self, text: bytes = b"") -> "Peer":
        """Open a connection and send `text`."""
        host, _, port = self.server.address.rpartition(":")
        peer = Peer(*await asyncio.open_connection(host, int(port)))
        peer.writer.write(text)
        self.peers.append(peer)
        return peer


class Peer:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def everything(self) -> bytes:
        """Read until the other side closes the connection; return nothing after a reset."""
        async with asyncio.timeout(SECONDS):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def drip(self) -> None:
        """Send a request that never ends, one byte at a time."""
        self.writer.write(b"GET /")
        while True:
            self.writer.write(b"x")
            await asyncio.sleep(0.01)


@asynccontextmanager
async def port(**limits: Any) -> AsyncIterator[Port]:
    """Serve a gate with the given limits."""
    opened = Port(**limits)
    try:
        yield opened
    finally:
        opened.gate.opened.set()
        for peer in opened.peers:
            peer.writer.transport.abort()
        await asyncio.to_thread(opened.server.stop)


def threads_of(pid: int) -> int:
    """Return the number of threads of a process."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))
