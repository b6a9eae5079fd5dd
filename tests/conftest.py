"""Shared fixtures: an environment without settings, an upstream, a server and a client."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import grpc
import hypothesis
import pytest

from support.app import MODEL, StartApp, Stub
from support.otlp import Collector
from support.subtests import EndingSubtests
from tokenwire import config
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

PREFIXES = (
    *("TOKENWIRE_", "OPENAI_", "OTEL_", "LANGSMITH_", "LANGCHAIN_"),
    *("ANTHROPIC_", "AWS_", "GEMINI_", "GOOGLE_", "MISTRAL_", "OLLAMA_"),
)

# Every run uses the same few examples; `--hypothesis-profile long` searches for new ones.
hypothesis.settings.register_profile(
    "bounded", max_examples=300, deadline=None, derandomize=True, database=None
)
hypothesis.settings.register_profile("long", max_examples=20_000, deadline=None, print_blob=True)
hypothesis.settings.load_profile("bounded")

# A shell that starts the tests in the background makes them ignore SIGINT, and the
# programs that they start inherit this setting.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        if name.startswith(PREFIXES) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def subtests(subtests: pytest.Subtests) -> EndingSubtests:
    """Replace pytest's fixture of the same name; tests still annotate it with pytest's type."""
    return EndingSubtests(subtests)


@pytest.fixture
async def upstream() -> AsyncIterator[DemoUpstream]:
    async with DemoUpstream() as running:
        yield running


@pytest.fixture
async def start_app(upstream: DemoUpstream) -> AsyncIterator[StartApp]:
    """A function that starts a server on free ports, in front of `upstream` by default."""
    async with AsyncExitStack() as stack:

        async def start(**overrides: Any) -> App:
            values = {
                "base_url": upstream.base_url,
                "model": MODEL,
                "listen": "127.0.0.1:0",
                "metrics_listen": "127.0.0.1:0",
                "drain_seconds": 0,
                "grace_seconds": 5,
            }
            app = App(config.load(**(values | overrides)))
            return await stack.enter_async_context(app)

        yield start


@pytest.fixture
async def app(start_app: StartApp) -> App:
    return await start_app()


@pytest.fixture
async def channel(app: App) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(app.address) as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Stub:
    return chatgpt_pb2_grpc.ChatgptStub(channel)


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """A collector that receives the spans of all servers that start after it."""
    running = Collector()
    await running.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{running.address}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    yield running
    await running.stop()


@pytest.fixture
async def traced_stub(collector: Collector, start_app: StartApp) -> AsyncIterator[Stub]:
    """A client of a server that exports its spans to `collector`."""
    del collector
    app = await start_app()
    async with grpc.aio.insecure_channel(app.address) as channel:
        yield chatgpt_pb2_grpc.ChatgptStub(channel)
