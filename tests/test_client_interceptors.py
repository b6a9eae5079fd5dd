"""Interceptors of both clients, and OpenTelemetry's among them."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from opentelemetry.instrumentation.grpc import GrpcInstrumentorClient, aio_client_interceptors
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from support.scripted_server import REQUEST_ID, ScriptedServer, fails, hangs_after, reason, says
from tokenwire_client import ChatError, Client, SyncClient


class CountingUnary(grpc.aio.UnaryUnaryClientInterceptor):
    """Counts the calls by their methods. grpc.aio wants a class for each kind of call."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    async def intercept_unary_unary(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        self.seen.append(client_call_details.method.decode())
        return await continuation(client_call_details, request)


class CountingStreams(grpc.aio.UnaryStreamClientInterceptor):
    """The same for calls with streams."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    async def intercept_unary_stream(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        self.seen.append(client_call_details.method.decode())
        return await continuation(client_call_details, request)


class CountingSync(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """The same for calls that block."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def intercept_unary_unary(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        self.seen.append(client_call_details.method)
        return continuation(client_call_details, request)

    def intercept_unary_stream(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        self.seen.append(client_call_details.method)
        return continuation(client_call_details, request)


METHODS = ["/openai.Chatgpt/Send", "/openai.Chatgpt/Ask"]


async def test_the_client_has_interceptors() -> None:
    """Each call of `Client` passes its interceptors, and a stream that is left is cancelled."""
    seen: list[str] = []
    interceptors = [CountingUnary(seen), CountingStreams(seen)]
    async with (
        ScriptedServer(says("a")) as server,
        Client(server.address, interceptors=interceptors) as client,
    ):
        stream = client.send("hi")
        assert [answer.content async for answer in stream] == ["a", ""]
        assert stream.request_id == REQUEST_ID
        assert (await client.ask("hi")).content == "a"
        server.script = hangs_after("a")
        async for _ in client.send("hi"):
            break
        await server.cancelled.wait()
    assert seen == [*METHODS, METHODS[0]]


async def test_the_sync_client_has_interceptors() -> None:
    """Each call of `SyncClient` passes its interceptors."""
    counting = CountingSync()

    def run(address: str) -> None:
        with SyncClient(address, interceptors=[counting]) as client:
            stream = client.send("hi")
            assert [answer.content for answer in stream] == ["a", ""]
            assert stream.request_id == REQUEST_ID
            assert client.ask("hi").content == "a"

    async with ScriptedServer(says("a")) as server:
        await asyncio.to_thread(run, server.address)
    assert counting.seen == METHODS


@pytest.fixture
def exported() -> Iterator[tuple[TracerProvider, InMemorySpanExporter]]:
    """A tracer provider, and what it exports."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider, exporter
    provider.shutdown()


@pytest.fixture
def instrumented(
    exported: tuple[TracerProvider, InMemorySpanExporter], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """OpenTelemetry's instrumentation of blocking channels, which wraps calls in generators."""
    # It knows only the provider of the process.
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", exported[0])
    untyped: Any = GrpcInstrumentorClient
    instrumentor = untyped()
    instrumentor.instrument()
    yield
    instrumentor.uninstrument()


def trace_of(metadata: dict[str, str | bytes]) -> str:
    return str(metadata["traceparent"]).split("-")[1]


async def test_opentelemetry_traces_the_client(
    exported: tuple[TracerProvider, InMemorySpanExporter],
) -> None:
    """With OpenTelemetry's interceptors, a call has a span, whose trace the server continues."""
    provider, exporter = exported
    untyped: Any = aio_client_interceptors
    interceptors = untyped(tracer_provider=provider)
    async with (
        ScriptedServer(says("a")) as server,
        Client(server.address, interceptors=interceptors) as client,
    ):
        assert [answer.content async for answer in client.send("hi")] == ["a", ""]
    [span] = exporter.get_finished_spans()
    assert span.name == METHODS[0]
    assert trace_of(server.metadata[0]) == f"{span.context.trace_id:032x}"


@pytest.mark.usefixtures("instrumented")
async def test_opentelemetry_traces_the_sync_client(
    exported: tuple[TracerProvider, InMemorySpanExporter],
) -> None:
    """The instrumentation's generators stand in for calls: answers, failures, and leaving."""

    def run(address: str, use: Callable[[SyncClient], object]) -> object:
        with SyncClient(address, max_attempts=1) as client:
            return use(client)

    def read(client: SyncClient) -> list[str]:
        return [answer.content for answer in client.send("hi")]

    def leave(client: SyncClient) -> None:
        with client.send("hi") as stream:
            next(stream)
        assert list(stream) == []

    async with ScriptedServer(says("a")) as server:
        assert await asyncio.to_thread(run, server.address, read) == ["a", ""]
        [span] = exported[1].get_finished_spans()
        assert trace_of(server.metadata[0]) == f"{span.context.trace_id:032x}"
        server.script = fails(grpc.StatusCode.INTERNAL, "no", reason("INTERNAL"))
        with pytest.raises(ChatError) as caught:
            await asyncio.to_thread(run, server.address, read)
        assert (caught.value.reason, caught.value.request_id) == ("INTERNAL", REQUEST_ID)
        server.script = hangs_after("a")
        await asyncio.to_thread(run, server.address, leave)
        await server.cancelled.wait()
