"""What a server imports: only what its configuration needs, and nothing while it serves.

Each of these packages costs memory in every process, and time at its start.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import grpc
import pytest

from support.issuer import new_key
from support.limits import bearer
from support.process import ServerProcess
from tokenwire.cli.keys import hash_of
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

KEY: Final = "tw_team_canary1"
TRACED: Final = {"PYTHONPROFILEIMPORTTIME": "1"}
"""Lets Python write a line to stderr for each module that it has imported."""
PREFIX: Final = "import time:"

NOT_FOR_THE_LEAN_SERVER: Final = {
    "langchain": "builds chat models of providers other than `openai`",
    "langchain_core": "the interface of those chat models",
    "langchain_openai": "the requests of upstreams of the provider `openai` are written without it",
    "langsmith": "comes with LangChain",
    "langgraph": "comes with LangChain",
    "openai": "the HTTP client of those upstreams is another one",
    "tiktoken": "comes with langchain_openai",
    "requests": "the HTTP client of LangSmith and tiktoken",
    "httpx2": "the HTTP client of OpenAI's SDK",
    "redis": "the store of limits that several processes share",
    "cryptography": "verifies tokens, and reads client certificates",
    "joserfc.jws": "verifies tokens",
    "grpc_channelz": "serves channelz",
    "grpc_reflection.v1alpha": "serves reflection",
    "opentelemetry.exporter": "exports spans",
    "tokenwire.xai": "serves xAI's API",
    "tokenwire.aiplatform": "serves Vertex AI's API",
}
"""What a server with an upstream of the provider `openai`, a gateway file, callers with keys and
limits, metrics and logs has no use for."""


def imported(server: ServerProcess) -> list[str]:
    """Return the names of the modules that a server has imported so far, in this order."""
    lines = (line for line in server.log_lines if line.startswith(PREFIX))
    return [line.rpartition("|")[2].strip() for line in lines]


@asynccontextmanager
async def serving(
    folder: Path, env: Mapping[str, str], **sections: object
) -> AsyncIterator[ServerProcess]:
    """Run a server with a gateway file of one upstream and a caller with a key and limits."""
    limits = {"streams": 10, "requests": "100/m"}
    async with DemoUpstream(tokens_per_second=0) as upstream:
        content = {
            "upstreams": {"one": {"base_url": upstream.base_url}},
            "models": {"fast": {"routes": "one/a"}},
            "callers": {"team": {"keys": [hash_of(KEY)], "limits": limits}},
            **sections,
        }
        file = folder / "gateway.yaml"
        file.write_text(json.dumps(content))
        async with ServerProcess("--config", str(file), env={**TRACED, **env}) as server:
            yield server


def within(names: list[str], package: str) -> list[str]:
    """Return those of the modules that are in a package."""
    return [name for name in names if f"{name}.".startswith(f"{package}.")]


async def test_a_lean_server_imports_nothing_that_it_does_not_use(
    tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """A server whose configuration needs none of the heavy packages imports none of them."""
    async with serving(tmp_path, {"TOKENWIRE_REFLECTION": "off"}) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = chatgpt_pb2_grpc.ChatgptStub(channel)
            answers = [a async for a in stub.Send(pb.Message(content="hi"), metadata=bearer(KEY))]
        await server.logged("call ended")
        names = imported(server)
    assert answers
    assert "tokenwire.app" in names
    for package, reason in NOT_FOR_THE_LEAN_SERVER.items():
        with subtests.test(package, reason=reason):
            assert within(names, package) == []


async def test_what_a_server_is_configured_for_is_imported_at_its_start(
    tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """Packages that only some configurations need are imported before the server serves."""
    keys = {"keys": [new_key("ES256").as_dict(private=False)]}
    (tmp_path / "jwks.json").write_text(json.dumps(keys))
    issuer = {"issuer": "https://example.com", "audience": "t", "jwks_file": "jwks.json"}
    env = {
        "TOKENWIRE_PROTOCOLS": "aiplatform,xai",
        "TOKENWIRE_CHANNELZ_LISTEN": "127.0.0.1:0",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    }
    async with serving(tmp_path, env, issuers={"cluster": issuer}) as server:
        names = imported(server)
    for package in (
        "cryptography",
        "joserfc.jws",
        "grpc_channelz",
        "grpc_reflection.v1alpha",
        "opentelemetry.exporter",
        "tokenwire.xai",
        "tokenwire.aiplatform",
    ):
        with subtests.test(package):
            assert within(names, package)
