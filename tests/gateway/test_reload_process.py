"""Reload as a process: SIGHUP, and several workers."""

import json
import signal
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.crew import many_stubs
from support.helpers import collect
from support.process import ServerProcess
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

pytestmark = pytest.mark.slow

RELOADED = "gateway file reloaded"


def write(path: Path, upstream: DemoUpstream, *models: str) -> None:
    """Write a gateway file with these models."""
    sections: dict[str, Any] = {
        "upstreams": {"one": {"base_url": upstream.base_url}},
        "models": {name: {"routes": f"one/{name}"} for name in models},
    }
    path.write_text(json.dumps(sections))


async def test_sighup_reloads(upstream: DemoUpstream, tmp_path: Path) -> None:
    """SIGHUP reads the file at once and ends nothing; SIGTERM drains as ever."""
    path = tmp_path / "gateway.yaml"
    write(path, upstream, "fast")
    async with (
        ServerProcess("--config", str(path), env={"TOKENWIRE_DRAIN_SECONDS": "0"}) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        server.signal(signal.SIGHUP)
        await server.logged("gateway file has not changed")
        write(path, upstream, "fast", "new")
        server.signal(signal.SIGHUP)
        assert (await server.logged(RELOADED))["models_added"] == ["new"]
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        message = pb.Message(content="hello", params=pb.Params(model="new"))
        assert (await collect(stub.Send(message)))[-1].model == "new"
        assert (await server.logged("call ended"))["upstream"] == "one"
        server.signal(signal.SIGTERM)
        assert await server.exit_code() == 0


async def test_every_worker_reloads(upstream: DemoUpstream, tmp_path: Path) -> None:
    """SIGHUP to the supervisor reaches all workers, and each connection has the new model."""
    path = tmp_path / "gateway.yaml"
    write(path, upstream, "fast")
    async with ServerProcess("--config", str(path), "--workers", "2") as server:
        write(path, upstream, "new")
        server.signal(signal.SIGHUP)
        await server.logged(RELOADED, 2)
        workers = {entry["worker"] for entry in server.entries if entry["event"] == RELOADED}
        assert workers == {0, 1}
        async with many_stubs(server) as stubs:
            for stub in stubs:
                answers = await collect(stub.Send(pb.Message(content="hello")))
                assert answers[-1].model == "new"
