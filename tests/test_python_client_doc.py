"""docs/python-client.md: its code runs, and its figures are those of the client."""

import asyncio
import re
import tomllib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from opentelemetry.instrumentation.grpc import GrpcInstrumentorClient
from opentelemetry.sdk.trace import TracerProvider

from support.certificates import Pair
from support.fenced import defined_by, fenced
from support.programs import ROOT
from support.scripted_server import Context, ScriptedServer, fails, reason, retry_after, says
from tokenwire_client import Answer, ChatError, Client
from tokenwire_client.v1.chatgpt_pb2 import Message

DOC: Final = (ROOT / "docs" / "python-client.md").read_text("utf-8")
RETRY, TLS, INTERCEPT, TRACE, TRACE_SYNC = fenced(DOC, "python")


@pytest.mark.parametrize("page", ["docs/python-client.md", "docs/langchain.md", "client/README.md"])
def test_the_installations_from_a_checkout(page: str) -> None:
    """Each `pip install` of a path names a distribution of the repository, and extras it has."""
    text = (ROOT / page).read_text("utf-8")
    found = re.findall(r'pip install "?\./(\w+)(?:\[(\w+)\])?', text)
    assert found
    for folder, extra in found:
        project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text("utf-8"))["project"]
        assert not extra or extra in project["optional-dependencies"]


async def test_its_wait() -> None:
    """The function waits as long as a full server says, and asks again."""
    full = fails(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "full",
        reason("SERVER_OVERLOADED"),
        retry_after(0, 1_000_000),
    )
    scripts = iter([full, full, says("at last")])

    async def script(request: Message, context: Context) -> AsyncIterator[Answer]:
        async for answer in next(scripts)(request, context):
            yield answer

    ask = defined_by(RETRY)["ask_when_there_is_room"]
    async with ScriptedServer(script) as server, Client(server.address) as client:
        assert await ask(client, "hi") == "at last"
    assert len(server.requests) == 3


async def test_its_authority(tmp_path: Path) -> None:
    """The function trusts the authority of the file, and no other."""
    pair = Pair()
    (tmp_path / "ca.crt").write_bytes(pair.authority)
    (tmp_path / "other.crt").write_bytes(Pair().authority)
    ask = defined_by(TLS)["ask_over_tls"]
    secret = grpc.ssl_server_credentials([(pair.key, pair.certificate)])
    async with ScriptedServer(says("blue"), credentials=secret) as server:
        assert await ask(server.address, tmp_path / "ca.crt") == "blue"
        with pytest.raises(ChatError) as refused:
            await ask(server.address, tmp_path / "other.crt")
    assert refused.value.code is grpc.StatusCode.UNAVAILABLE
    assert len(server.requests) == 1


async def test_its_interceptor() -> None:
    """The interceptor sees the call."""
    names = defined_by(INTERCEPT)
    slow = names["Slow"](0)
    async with ScriptedServer(says("blue")) as server:
        assert await asyncio.to_thread(names["ask_and_report"], server.address, slow) == "blue"
    assert slow.reported == ["/openai.Chatgpt/Ask"]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    """The tracer provider of the process during a test."""
    provider = TracerProvider()
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    yield provider
    untyped: Any = GrpcInstrumentorClient
    if untyped().is_instrumented_by_opentelemetry:
        untyped().uninstrument()


async def test_its_traces(provider: TracerProvider) -> None:
    """The server receives the trace of the current span, from both clients."""
    tracer = provider.get_tracer("test")
    async with ScriptedServer(says("blue")) as server:
        with tracer.start_as_current_span("work") as span:
            assert await defined_by(TRACE)["ask_in_a_trace"](server.address) == "blue"
            ask = defined_by(TRACE_SYNC)["ask_in_a_trace_in_a_thread"]
            assert await asyncio.to_thread(ask, server.address) == "blue"
    trace_id = f"{span.get_span_context().trace_id:032x}"
    assert [str(each["traceparent"]).split("-")[1] for each in server.metadata] == [trace_id] * 2
