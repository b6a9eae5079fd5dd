"""The size of prompts and answers held in spans is bounded, whatever the collector does."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from support.app import StartApp
from support.helpers import collect
from support.otlp import Collector, attributes_of
from tokenwire.observability.traces import content_budget
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

CALLS = 20
PROMPT = 10_000
ROOM = 65_000
INPUT = "gen_ai.input.messages"
OMITTED = "tokenwire.content_omitted"


class Slow(Collector):
    """Accepts no spans until `go_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the contract's name
        await self.go_on.wait()
        return await super().Export(request, context)


@pytest.fixture
async def slow() -> AsyncIterator[Slow]:
    collector = Slow()
    await collector.start()
    yield collector
    await collector.stop()


async def test_a_slow_collector_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch, start_app: StartApp, slow: Slow
) -> None:
    """Queued spans hold content up to a limit, and later spans are marked as omitting it."""
    monkeypatch.setattr(content_budget, "CONTENT_BYTES", ROOM)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{slow.address}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    app = await start_app()
    async with grpc.aio.insecure_channel(app.address) as channel:
        send = chatgpt_pb2_grpc.ChatgptStub(channel).Send
        for _ in range(CALLS):
            await collect(send(pb.Message(content="x" * PROMPT)))
        slow.go_on.set()
        spans = [attributes_of(span) for span in await slow.answered(CALLS)]
        held = [span for span in spans if INPUT in span]
        assert 0 < len(held) <= ROOM // PROMPT
        assert all(OMITTED in span for span in spans if INPUT not in span)
        # Exported content is subtracted from the limit once the exporter has released it.
        async with asyncio.timeout(30):
            await until_held(send, slow)


async def until_held(send: Any, collector: Collector) -> None:
    """Make calls until a span contains its prompt."""
    calls = CALLS
    held = False
    while not held:
        calls += 1
        await collect(send(pb.Message(content="x" * PROMPT)))
        spans = await collector.answered(calls)
        held = INPUT in attributes_of(spans[-1])
        gc.collect()
