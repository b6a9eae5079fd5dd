"""Failures that end a serving process."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from support.app import MODEL
from support.helpers import collect
from support.log_stream import captured
from tokenwire import app as app_module
from tokenwire import config
from tokenwire.process import serving
from tokenwire.server import grpc_server
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

FAILED = "the gRPC server has failed; this process drains and exits"


def settings(upstream: DemoUpstream, grace_seconds: float = 5) -> config.Settings:
    return config.load(
        base_url=upstream.base_url,
        model=MODEL,
        listen="127.0.0.1:0",
        metrics_listen="127.0.0.1:0",
        drain_seconds=0,
        grace_seconds=grace_seconds,
    )


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function that makes the gRPC servers of a test fail."""
    failing = asyncio.Event()

    async def fail(_: object) -> None:
        await failing.wait()
        raise RuntimeError("secret")

    monkeypatch.setattr(grpc_server._Core, "_request_call", fail)
    return failing.set


async def test_a_grpc_server_that_fails_ends_the_process(
    upstream: DemoUpstream, fail: Callable[[], None]
) -> None:
    """A process that cannot accept calls any more logs that and exits with code 1."""
    fail()
    with captured() as stream:
        assert await serving.serve(settings(upstream)) == serving.EXIT_FAILED
        entry = await stream.entry(FAILED)
    assert entry["level"] == "critical"
    assert "secret" not in stream.getvalue()


async def test_a_main_loop_that_ends_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, upstream: DemoUpstream
) -> None:
    """The process also exits if gRPC's own loop, which accepts all calls, raises an exception."""

    def fail(*_: object) -> Any:
        raise RuntimeError("secret")

    monkeypatch.setattr(grpc_server._Core, "_make_request_call_future", fail)
    with captured() as stream:
        assert await serving.serve(settings(upstream)) == serving.EXIT_FAILED
        await stream.entry(FAILED)
    assert "secret" not in stream.getvalue()


async def test_a_grpc_server_that_does_not_stop_does_not_hold_the_process(
    monkeypatch: pytest.MonkeyPatch, upstream: DemoUpstream, fail: Callable[[], None]
) -> None:
    """The process exits and logs an error if gRPC does not stop in time."""
    for name in ("STATUS_GRACE_SECONDS", "CANCEL_GRACE_SECONDS"):
        monkeypatch.setattr(app_module, name, 0.1)
    stop = grpc_server._Server.stop

    async def never_stop(server: grpc_server._Server, grace: float | None) -> None:
        await stop(server, grace)
        await asyncio.Event().wait()

    monkeypatch.setattr(grpc_server._Server, "stop", never_stop)
    fail()
    with captured() as stream:
        assert await serving.serve(settings(upstream, grace_seconds=0)) == serving.EXIT_FAILED
        entry = await stream.entry("gRPC did not stop in time; it still holds a call")
    assert entry["level"] == "error"


async def test_answers_that_run_when_the_server_fails_are_completed(
    upstream: DemoUpstream, fail: Callable[[], None]
) -> None:
    """A call that is being answered when the server fails receives its whole answer."""
    upstream.script("tokens 1; barrier going; answer")
    with captured() as stream:
        process = asyncio.create_task(serving.serve(settings(upstream)))
        address = (await stream.entry("serving"))["address"]
        async with grpc.aio.insecure_channel(address) as channel:
            call = chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello"))
            await upstream.barrier("going").reached()
            fail()
            await stream.entry(FAILED)
            upstream.barrier("going").release()
            answers = await collect(call)
            assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
        assert await process == serving.EXIT_FAILED
