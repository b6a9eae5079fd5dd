"""A collector that is down, silent or slow does not affect the service; lost spans are counted."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from support.app import MODEL, StartApp
from support.helpers import collect
from support.listening import listening
from support.log_stream import captured
from support.otlp import Collector
from support.process import ServerProcess
from support.waiting import within
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

pytestmark = pytest.mark.slow

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
REFUSING = "http://127.0.0.1:1"
LOST = "spans lost"


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are exported, and exports time out, after a short time."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")


async def make_calls(app: App, count: int) -> None:
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        for _ in range(count):
            await collect(stub.Send(pb.Message(content="hello")))


def counted(app: App, spans: int) -> bool:
    return lost(app, "export") == spans


def lost(app: App, reason: str) -> float | None:
    name = "tokenwire_spans_dropped_total"
    return app.metrics.registry.get_sample_value(name, {"reason": reason})


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_it_costs_a_counter_and_one_line(
    start_app: StartApp, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    """Answers are complete, and lost spans are counted and logged once, without the address."""
    monkeypatch.setenv(ENDPOINT, REFUSING)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    with captured() as stream:
        app = await start_app()
        for spans in (2, 4, 6):
            await make_calls(app, 1)
            await within(5, "counted", partial(counted, app, spans))
        entries = [entry for entry in stream.entries if "call ended" not in entry["event"]]
        text = stream.getvalue()
    [entry] = entries
    assert (entry["event"], entry["level"], entry["cause"]) == (LOST, "warning", "unreachable")
    # The first batch has one or both spans of the first call.
    assert entry["spans"] in (1, 2)
    assert "127.0.0.1:1" not in text.replace(app.address, "").replace(app.metrics_address, "")


class SlowCollector(Collector):
    """Accepts no spans until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.released = asyncio.Event()

    async def Export(  # noqa: N802 - the contract's name
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: Any
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        self.asked.set()
        await self.released.wait()
        return await super().Export(request, context)


@pytest.fixture
async def slow() -> AsyncIterator[SlowCollector]:
    collector = SlowCollector()
    await collector.start()
    yield collector
    collector.released.set()
    await collector.stop()


async def test_what_does_not_fit_is_counted(
    start_app: StartApp, slow: SlowCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a slow collector, each span is either queued or counted as lost, exactly once."""
    monkeypatch.setenv(ENDPOINT, f"http://{slow.address}")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    app = await start_app()
    with captured() as stream:
        await make_calls(app, 2)
        await slow.asked.wait()
        await make_calls(app, 8)
        await within(10, "counted", lambda: lost(app, "queue") == 20 - 4 - 4)
        assert [entry for entry in stream.entries if entry["event"] != "call ended"] == []
    slow.released.set()
    await app.stop(grace_seconds=0)
    assert len(slow.spans) == 8
    assert lost(app, "export") == 0


@asynccontextmanager
async def deaf() -> AsyncIterator[str]:
    """Accept connections without ever responding; yield the URL."""

    async def say_nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with listening(say_nothing) as (host, port):
        yield f"http://{host}:{port}"


@asynccontextmanager
async def unanswering() -> AsyncIterator[str]:
    """Drop connection attempts, as a firewall does; yield the URL."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as server,
        contextlib.ExitStack() as stack,
    ):
        address = server.getsockname()
        # A full backlog drops further connections.
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.settimeout(0)
            caller.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}"


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("collector", ["refusing", "deaf", "unanswering"])
async def test_it_does_not_hold_up_the_end(
    upstream: DemoUpstream, protocol: str, collector: str
) -> None:
    """With spans that cannot be exported, the process ends about a second after its last answer."""
    async with deaf() as silent, unanswering() as dropping:
        addresses = {"refusing": REFUSING, "deaf": silent, "unanswering": dropping}
        env = {
            "OPENAI_BASE_URL": upstream.base_url,
            "TOKENWIRE_MODEL": MODEL,
            "TOKENWIRE_DRAIN_SECONDS": "0",
            ENDPOINT: addresses[collector],
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        }
        async with (
            ServerProcess(env=env) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            stub = chatgpt_pb2_grpc.ChatgptStub(channel)
            await collect(stub.Send(pb.Message(content="hello")))
            server.signal(signal.SIGTERM)
            signalled = asyncio.get_running_loop().time()
            assert await server.wait() == 0
            seconds = asyncio.get_running_loop().time() - signalled
    assert seconds < 3.5
    assert (await server.logged("exit"))["drained_seconds"] < 2.5
    assert not [entry for entry in server.entries if entry["level"] == "error"]
    lost = [entry for entry in server.entries if entry["event"] == LOST]
    assert sum(entry["spans"] for entry in lost) == 2
    assert collector == "refusing" or lost[-1]["cause"] == "shutdown"
