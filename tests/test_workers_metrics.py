"""How the metrics of several processes are combined in one endpoint."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from support.listening import listening
from tokenwire.observability.metrics_server import MetricsServer, PortMetrics
from tokenwire.workers import scraping
from tokenwire.workers.metrics import WorkersCollector
from tokenwire.workers.worker import Worker

TRACE = {"trace_id": "5b8aa5a2d2c872e8"}
OK = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.fixture
def serving() -> Iterator[Worker]:
    """A worker whose endpoint exposes a histogram with an exemplar."""
    registry = CollectorRegistry()
    histogram = Histogram("seconds_waited", "Time.", buckets=(1, 2), registry=registry)
    histogram.observe(1.5, TRACE)
    server = MetricsServer("127.0.0.1:0", registry, PortMetrics(registry))
    worker = Worker(0, {})
    worker.metrics_address = server.address
    yield worker
    server.stop()


@asynccontextmanager
async def broken(answer: bytes | None, *, whole: bool = True) -> AsyncIterator[Worker]:
    """Run a worker whose endpoint sends this answer; with None it sends nothing and stays open."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
            await writer.drain()
        if not whole:
            writer.transport.abort()

    async with listening(handle) as (host, port):
        worker = Worker(1, {})
        worker.metrics_address = f"{host}:{port}"
        yield worker


async def test_exemplars_are_kept(serving: Worker) -> None:
    """The exemplar of a worker's bucket is kept in the OpenMetrics format."""
    registry = WorkersCollector([serving]).registry
    text = (await asyncio.to_thread(generate_openmetrics, registry)).decode()
    line = 'seconds_waited_bucket{le="2.0",worker="0"} 1.0 # {trace_id="5b8aa5a2d2c872e8"} 1.5 '
    assert line in text


ANSWERS: list[tuple[bytes | None, bool]] = [
    (None, True),
    (b"", True),
    (b"", False),
    (OK + b"# TYPE half counter\nhalf_total 1", False),
    (OK + b"\xff\xfe\n# EOF\n", True),
    (OK + b"what is this?\n# EOF\n", True),
    (OK + b"# TYPE late counter\nlate_total 1\n", True),
    (OK + b"a_line_without_an_end" * 1_000_000, True),
    (b"HTTP/1.1 503 Service Unavailable\r\n\r\n# EOF\n", True),
    (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/metrics\r\n\r\n", True),
    (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n# EOF\n", True),
    (b"\x00" * 1_000, True),
]


async def test_a_worker_that_does_not_answer_well_hides_no_other(
    serving: Worker, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """A worker with an invalid or missing answer is down; other workers' series remain."""
    for answer, whole in ANSWERS:
        with (
            subtests.test(answer=str(answer)[:60], whole=whole),
            monkeypatch.context() as patched,
        ):
            patched.setattr(scraping, "SCRAPE_SECONDS", 1.0)
            async with broken(answer, whole=whole) as worker:
                registry = WorkersCollector([serving, worker]).registry
                text = (await asyncio.to_thread(generate_latest, registry)).decode()
            assert 'tokenwire_worker_up{worker="0"} 1.0' in text
            assert 'tokenwire_worker_up{worker="1"} 0.0' in text
            assert 'seconds_waited_count{worker="0"} 1.0' in text
            assert text.count('worker="1"') == 2


async def test_a_family_of_another_type_hides_no_other(serving: Worker) -> None:
    """A family whose type conflicts with another worker's is omitted."""
    other = OK + b"# TYPE seconds_waited gauge\nseconds_waited 1\n# EOF\n"
    async with broken(other) as worker:
        registry = WorkersCollector([serving, worker]).registry
        text = (await asyncio.to_thread(generate_openmetrics, registry)).decode()
    assert 'seconds_waited_count{worker="0"} 1.0' in text
    assert 'seconds_waited{worker="1"}' not in text


async def test_it_costs_no_thread_for_each_worker(
    serving: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scraping many hanging workers takes the time of one, and no thread for each."""
    monkeypatch.setattr(scraping, "SCRAPE_SECONDS", 1.0)
    async with broken(None) as hanging:
        workers = [serving, *(Worker(number, {}) for number in range(1, 100))]
        for worker in workers[1:]:
            worker.metrics_address = hanging.metrics_address
        async with asyncio.timeout(20):
            [found, *others] = await asyncio.to_thread(scraping.scrape, workers)
    assert found
    assert not any(others)
