"""The cause of lost spans is logged as a fixed word, without text from the collector."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import grpc
import pytest

from support.app import StartApp
from support.helpers import collect
from support.listening import listening
from support.log_stream import captured
from support.otlp import Collector
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

ENDLESS_BYTES = 64 << 20


class Rejecting(Collector):
    """A collector that rejects all spans with a message that must not be logged."""

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the contract's name
        del request
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "canary-words")


@asynccontextmanager
async def rejecting() -> AsyncIterator[str]:
    collector = Rejecting()
    await collector.start()
    yield f"http://{collector.address}"
    await collector.stop()


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        await asyncio.Event().wait()

    async with listening(reply) as (host, port):
        yield f"http://{host}:{port}"


def unauthorized() -> AbstractAsyncContextManager[str]:
    return answering(b"HTTP/1.1 401 canary-words\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")


def deaf() -> AbstractAsyncContextManager[str]:
    return answering(b"")


def moved() -> AbstractAsyncContextManager[str]:
    head = b"HTTP/1.1 308 canary-words\r\nlocation: https://canary-words/v1/traces\r\n"
    return answering(head + b"connection: close\r\ncontent-length: 0\r\n\r\n")


@asynccontextmanager
async def plaintext() -> AsyncIterator[str]:
    async with answering(b"HTTP/1.1 400 canary-words\r\n\r\n") as url:
        yield url.replace("http", "https")


@pytest.mark.parametrize(
    ("protocol", "collector", "cause", "code"),
    [
        ("grpc", rejecting, "rejected", "PERMISSION_DENIED"),
        ("grpc", deaf, "timeout", "DEADLINE_EXCEEDED"),
        ("grpc", plaintext, "unreachable", "UNAVAILABLE"),
        ("http/protobuf", unauthorized, "rejected", "401"),
        ("http/protobuf", moved, "rejected", "308"),
        ("http/protobuf", deaf, "timeout", None),
        ("http/protobuf", plaintext, "tls", None),
    ],
)
async def test_why_spans_were_lost(  # noqa: PLR0913, PLR0917 - a table's columns
    start_app: StartApp,
    monkeypatch: pytest.MonkeyPatch,
    protocol: str,
    collector: Callable[[], AbstractAsyncContextManager[str]],
    cause: str,
    code: str | None,
) -> None:
    """The line has a word for the cause and the collector's status, and no other text from it."""
    async with collector() as endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        with captured() as stream:
            app = await start_app()
            async with grpc.aio.insecure_channel(app.address) as channel:
                stub = chatgpt_pb2_grpc.ChatgptStub(channel)
                await collect(stub.Send(pb.Message(content="hello")))
            entry = await stream.entry("spans lost")
            text = stream.getvalue()
    assert (entry["cause"], entry.get("code")) == (cause, code)
    assert "canary" not in text
    assert endpoint.rpartition("/")[2] not in text


async def test_an_endless_response_is_not_read(
    start_app: StartApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection to a collector whose response never ends is closed, to bound memory."""
    left = asyncio.Event()

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            for _ in range(ENDLESS_BYTES // 65_536):
                writer.write(bytes(65_536))
                await writer.drain()
        if writer.is_closing():
            left.set()
        writer.transport.abort()

    async with listening(reply) as (host, port):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{host}:{port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        app = await start_app()
        async with grpc.aio.insecure_channel(app.address) as channel:
            await collect(chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello")))
        await asyncio.wait_for(left.wait(), 10)
