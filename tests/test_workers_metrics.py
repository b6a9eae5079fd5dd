"""How the metrics of several processes become one endpoint's."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from tokenwire.exposition import MetricsServer
from tokenwire.workers.metrics import registry_of
from tokenwire.workers.worker import Worker

TRACE = {"trace_id": "5b8aa5a2d2c872e8"}


@pytest.fixture
def serving() -> Iterator[Worker]:
    """A worker whose endpoint has a histogram with an exemplar."""
    registry = CollectorRegistry()
    histogram = Histogram("seconds_waited", "Time.", buckets=(1, 2), registry=registry)
    histogram.observe(1.5, TRACE)
    server = MetricsServer("127.0.0.1:0", registry)
    worker = Worker(0, {})
    worker.metrics_address = server.address
    yield worker
    server.stop()


async def test_exemplars_are_kept(serving: Worker) -> None:
    """An exemplar of a worker is still beside its bucket, in the format that has exemplars."""
    text = (await asyncio.to_thread(generate_openmetrics, registry_of([serving]))).decode()
    line = 'seconds_waited_bucket{le="2.0",worker="0"} 1.0 # {trace_id="5b8aa5a2d2c872e8"} 1.5 '
    assert line in text


async def test_a_worker_that_does_not_answer_hides_no_other(serving: Worker) -> None:
    """A worker that accepts and says nothing is told to be down; the others' series are there."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = Worker(1, {})
        hanging.metrics_address = f"127.0.0.1:{silent.getsockname()[1]}"
        registry = registry_of([serving, hanging])
        text = (await asyncio.to_thread(generate_latest, registry)).decode()
    assert 'tokenwire_worker_up{worker="0"} 1.0' in text
    assert 'tokenwire_worker_up{worker="1"} 0.0' in text
    assert 'seconds_waited_count{worker="0"} 1.0' in text
