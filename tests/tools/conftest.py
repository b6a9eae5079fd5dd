import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support import containers
from support.app import StartApp, Stub
from support.examples import Examples, go_examples, java_examples, node_examples
from support.litellm_proxy import Proxy, running_proxy
from support.llama_server import MODEL, LlamaServer, running_llama
from support.no_skip import (  # noqa: F401 - pytest finds these hooks by name
    pytest_make_collect_report,
    pytest_runtest_makereport,
)
from support.programs import ROOT
from support.redis_server import RedisServer, redis_server
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2_grpc


@pytest.fixture
async def draining_app(start_app: StartApp) -> AsyncIterator[App]:
    """A draining server, which reports NOT_SERVING and still accepts calls."""
    app = await start_app(drain_seconds=60)
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # the published types lack the methods
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="openai.Chatgpt"))
        drain = asyncio.create_task(app.drain())
        while (await watch.read()).status != health_pb2.HealthCheckResponse.NOT_SERVING:
            pass
        watch.cancel()
    yield app
    drain.cancel()
    await asyncio.gather(drain, return_exceptions=True)


@pytest.fixture(scope="session")
def tools() -> Path:
    """The directory of all external programs, which `make tools` fills."""
    return ROOT / ".tools" / "bin"


@pytest.fixture(scope="session")
def image() -> None:
    """The image, built by `make image` in the store that support/containers.py runs it from."""
    containers.build()


@pytest.fixture(scope="session")
def litellm_proxy(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A LiteLLM proxy, which is a third-party OpenAI-compatible server."""
    with running_proxy(tools / "litellm", tmp_path_factory.mktemp("litellm")) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def llama(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    """llama.cpp's server with a tiny model."""
    template = ROOT / ".tools" / "llama" / "template.jinja"
    folder = tmp_path_factory.mktemp("llama")
    with running_llama(tools / "llama-server", template, folder) as server:
        yield server


@pytest.fixture
def dialect() -> str:
    """The dialect of tests that have no other: the one that llama.cpp supports in full."""
    return "chat"


@pytest.fixture
async def llama_stub(llama: LlamaServer, start_app: StartApp, dialect: str) -> AsyncIterator[Stub]:
    """A stub of tokenwire in front of llama.cpp's server."""
    app = await start_app(
        base_url=llama.base_url,
        api_key=llama.api_key,
        model=MODEL,
        dialect=dialect,
        merge_tokens=False,  # the model is so fast that a whole answer can arrive in one read
    )
    async with grpc.aio.insecure_channel(app.address) as channel:
        yield chatgpt_pb2_grpc.ChatgptStub(channel)


@pytest.fixture(scope="session", params=["go", "node", "java"])
def examples(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """The examples of each language in turn."""
    if request.param == "go":
        return go_examples(tmp_path_factory.mktemp("go"))
    return node_examples() if request.param == "node" else java_examples()


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A real Redis with an empty database."""
    folder = tmp_path / "redis"
    folder.mkdir()
    async with redis_server(folder) as server:
        yield server
