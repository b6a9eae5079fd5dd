"""Row 51: spans on a stdout that is not read block nothing."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from faults.test_logs_unread import SERVING, dropped, environment, health, reject
from support.helpers import collect
from support.process import ServerProcess
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

CALLS = 2_000
"""Their spans exceed the pipe and the queue of 1 MiB."""
LOST_SPANS = "tokenwire_spans_dropped_total"
CONSOLE = {"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_SCHEDULE_DELAY": "20"}


@pytest.fixture
def unread() -> Iterator[int]:
    """The write end of a pipe that is open but not read."""
    reader, writer = os.pipe()
    yield writer
    os.close(writer)
    os.close(reader)


async def test_row_51_spans_that_nobody_reads(upstream: DemoUpstream, unread: int) -> None:
    """With a full pipe, calls, health, metrics and SIGTERM work; lost spans are counted."""
    async with (
        ServerProcess(env=environment(upstream) | CONSOLE, stdout=unread) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        await reject(channel, CALLS)
        entry = await server.logged("spans lost")
        assert entry["cause"] == "stdout"
        assert await dropped(server.metrics_address, "export", LOST_SPANS) > 0
        assert await health(channel) == SERVING
        server.signal(signal.SIGTERM)
        assert await server.wait() == 0


async def test_spans_are_lines_of_json(upstream: DemoUpstream, tmp_path: Path) -> None:
    """After the process has ended, stdout has all spans, as one JSON object per line."""
    path = tmp_path / "spans"
    with path.open("w") as stdout:
        async with (
            ServerProcess(env=environment(upstream) | CONSOLE, stdout=stdout.fileno()) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            stub = chatgpt_pb2_grpc.ChatgptStub(channel)
            await collect(stub.Send(pb.Message(content="hello")))
            server.signal(signal.SIGTERM)
            assert await server.wait() == 0
    spans = [json.loads(line) for line in path.read_text().splitlines()]
    assert [span["name"] for span in spans] == ["chat demo-model", "/openai.Chatgpt/Send"]
    assert len({span["resource"]["attributes"]["service.instance.id"] for span in spans}) == 1
