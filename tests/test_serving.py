"""What ends a serving process besides a signal."""

import asyncio

import pytest

from support.app import MODEL
from support.log_stream import captured
from tokenwire import config
from tokenwire.process import serving
from tokenwire.server import grpc_server
from tokenwire_demo import DemoUpstream


async def test_a_grpc_server_that_ends_by_itself_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, upstream: DemoUpstream
) -> None:
    """A process that no caller can reach any more says so and exits with 1."""

    async def fail(_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(grpc_server._Core, "_refuse_unknown", fail)
    loaded = config.load(
        base_url=upstream.base_url,
        model=MODEL,
        listen="127.0.0.1:0",
        metrics_listen="127.0.0.1:0",
    )
    with captured() as stream:
        async with asyncio.timeout(30):
            assert await serving.serve(loaded) == serving.EXIT_ENDED
        entry = await stream.entry("the gRPC server has ended by itself; this process ends")
    assert entry["level"] == "critical"
    assert "secret" not in stream.getvalue()
