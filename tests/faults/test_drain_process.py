"""Rows 40 and 41 for a process that receives SIGTERM from its orchestrator."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health_pb2

from support.app import MODEL
from support.health import NOT_SERVING, SERVING, health_of
from support.helpers import collect, failure_of, reason_of
from support.process import ServerProcess
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

STREAMS = 50
HELLO = pb.Message(content="hello")
HEALTH = health_pb2.HealthCheckRequest(service="openai.Chatgpt")
LAST_ERROR = "SERVER_SHUTTING_DOWN"


@asynccontextmanager
async def serve(
    upstream: DemoUpstream, drain_seconds: float, grace_seconds: float
) -> AsyncIterator[tuple[ServerProcess, grpc.aio.Channel]]:
    """Run a server in front of `upstream`; yield it and a channel to it."""
    env = {
        "OPENAI_BASE_URL": upstream.base_url,
        "TOKENWIRE_MODEL": MODEL,
        "TOKENWIRE_DRAIN_SECONDS": str(drain_seconds),
        "TOKENWIRE_GRACE_SECONDS": str(grace_seconds),
    }
    async with (
        ServerProcess(env=env) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        yield server, channel


def assert_calm(server: ServerProcess, lost: int = 0) -> None:
    """Assert that only `lost` calls are logged above "info", and that the log ends with "exit"."""
    assert len(server.entries) == len(server.log_lines)
    alarming = [entry["event"] for entry in server.entries if entry["level"] != "info"]
    assert alarming == ["call ended"] * lost
    assert [entry["event"] for entry in server.entries][-2:] == ["stopped", "exit"]


async def test_row_40_fifty_streams(upstream: DemoUpstream) -> None:
    """Fifty running streams complete after NOT_SERVING, and then the process exits with 0."""
    upstream.script(*["tokens 1; barrier all; answer"] * STREAMS)
    async with serve(upstream, drain_seconds=0.5, grace_seconds=3600) as (server, channel):
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        calls = [stub.Send(HELLO) for _ in range(STREAMS)]
        await upstream.barrier("all").reached(STREAMS)
        watch = health_of(channel).Watch(HEALTH)
        assert (await watch.read()).status == SERVING
        server.signal(signal.SIGTERM)
        assert (await watch.read()).status == NOT_SERVING
        # The watch ends when the listener closes; the grace period begins then.
        assert await watch.read() is grpc.aio.EOF
        upstream.barrier("all").release()
        for answers in await asyncio.gather(*(collect(call) for call in calls)):
            assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
        assert await server.wait() == 0
        assert_calm(server)
        assert [entry["code"] for entry in server.entries if "code" in entry] == ["OK"] * STREAMS
    assert upstream.open_connections == 0


async def test_row_41_fifty_streams(upstream: DemoUpstream) -> None:
    """Streams longer than the grace period get our status, before and after their first token."""
    silent, begun = STREAMS // 2, STREAMS - STREAMS // 2
    async with serve(upstream, drain_seconds=0, grace_seconds=0.5) as (server, channel):
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        upstream.script(*["stall"] * silent)
        silent_calls = [stub.Send(HELLO) for _ in range(silent)]
        await upstream.wait_for_requests(silent)
        upstream.script(*["tokens 1; stall"] * begun)
        begun_calls = [stub.Send(HELLO) for _ in range(begun)]
        for call in begun_calls:
            await anext(aiter(call))
        server.signal(signal.SIGTERM)
        for call in silent_calls:
            answers, error = await failure_of(call)
            assert answers == []
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert reason_of(error) == "SERVER_SHUTTING_DOWN"
        for call in begun_calls:
            answers, error = await failure_of(call)
            assert [answer.error for answer in answers] == [LAST_ERROR]
            assert error.code() is grpc.StatusCode.ABORTED
            assert reason_of(error) == "SERVER_SHUTTING_DOWN"
        assert await server.wait() == 0
        assert_calm(server, lost=STREAMS)
        assert [entry["reason"] for entry in server.entries if "code" in entry] == (
            ["SERVER_SHUTTING_DOWN"] * STREAMS
        )
    assert upstream.open_connections == 0


async def test_row_40_callers_who_keep_calling(upstream: DemoUpstream) -> None:
    """Callers without a pause are answered until they get UNAVAILABLE; no call is cancelled."""
    async with serve(upstream, drain_seconds=0.5, grace_seconds=10) as (server, channel):
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)

        async def keep_calling(calls: int = 0) -> int:
            while True:
                try:
                    await collect(stub.Send(HELLO))
                except grpc.aio.AioRpcError as error:
                    assert error.code() is grpc.StatusCode.UNAVAILABLE, error  # noqa: PT017 - the loop's only way out
                    return calls
                calls += 1

        async with asyncio.TaskGroup() as group:
            callers = [group.create_task(keep_calling()) for _ in range(STREAMS)]
            await upstream.wait_for_requests(STREAMS)
            server.signal(signal.SIGTERM)
        assert await server.wait() == 0
        assert_calm(server)
        answered = [entry for entry in server.entries if entry.get("code") == "OK"]
        assert len(answered) == sum(caller.result() for caller in callers)
