"""No prompt is sent to LangSmith, whatever LangSmith's variables are."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from support.app import MODEL
from support.helpers import collect, run_python, text_of
from support.listening import listening
from support.process import ServerProcess
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent
SCRIPT = ("-m", "support.langsmith_script")
SWITCHES = (
    "LANGSMITH_TRACING_V2",
    "LANGCHAIN_TRACING_V2",
    "LANGSMITH_TRACING",
)
"""All variables that LangSmith reads."""
OLDEST_SWITCH = "LANGCHAIN_TRACING"
"""If it is set, LangChain's own streams fail; the server does not use them."""


class LangSmith:
    """A replacement for LangSmith's server that rejects all requests.

    Attributes:
        received: The bytes that were sent to it.
    """

    def __init__(self) -> None:
        self.received = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received += await reader.read(1 << 16)
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


@asynccontextmanager
async def langsmith(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LangSmith]:
    """Configure the environment to send traces to LangSmith, and listen at its address."""
    trap = LangSmith()
    for name in SWITCHES:
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("LANGSMITH_API_KEY", "key")
    async with listening(trap.serve) as (host, port):
        monkeypatch.setenv("LANGSMITH_ENDPOINT", f"http://{host}:{port}")
        yield trap


async def test_langchain_alone_would_send_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    """This environment makes an ordinary LangChain program send to LangSmith, so the trap works."""
    async with langsmith(monkeypatch) as trap:
        await run_python(*SCRIPT, "langchain", cwd=TESTS)
    assert trap.received


async def test_the_server_sends_nothing(
    monkeypatch: pytest.MonkeyPatch, upstream: DemoUpstream
) -> None:
    """The server starts and answers in this environment, and sends nothing to LangSmith."""
    env = {
        "OPENAI_BASE_URL": upstream.base_url,
        "TOKENWIRE_MODEL": MODEL,
        "TOKENWIRE_DRAIN_SECONDS": "0",
    }
    async with langsmith(monkeypatch) as trap:
        monkeypatch.setenv(OLDEST_SWITCH, "true")
        async with ServerProcess(env=env) as server:
            async with grpc.aio.insecure_channel(server.address) as channel:
                stub = chatgpt_pb2_grpc.ChatgptStub(channel)
                assert text_of(await collect(stub.Send(pb.Message(content="hello"))))
            server.signal(signal.SIGTERM)
            assert await server.wait() == 0
        assert trap.received == b""


async def test_no_langchain_model_sends_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that uses other parts of LangChain sends nothing to LangSmith either."""
    async with langsmith(monkeypatch) as trap:
        await run_python(*SCRIPT, "tokenwire", cwd=TESTS)
    assert trap.received == b""
