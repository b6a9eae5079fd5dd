"""Rows 40 and 41 as an orchestrator sees them: a process that gets a signal."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from conftest import MODEL, Stub
from helpers import failure_of, reason_of
from test_health import NOT_SERVING, SERVING, health_of
from tokenwire.demo import DemoUpstream
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

STREAMS = 50
SECONDS = 45
HELLO = pb.Message(content="hello")
HEALTH = health_pb2.HealthCheckRequest(service="openai.Chatgpt")
LAST_ANSWER = pb.Answer(error="SERVER_SHUTTING_DOWN")


class Server:
    """A running `tokenwire serve`, and a channel to it."""

    def __init__(
        self, process: Process, channel: grpc.aio.Channel, reader: asyncio.Task[bytes]
    ) -> None:
        self._process = process
        self._reader = reader
        self.channel = channel
        self.stub: Stub = chatgpt_pb2_grpc.ChatgptStub(channel)

    def signal(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    async def exit_code(self) -> int:
        """Wait until the process has ended by itself."""
        async with asyncio.timeout(SECONDS):
            return await self._process.wait()

    async def log(self) -> list[dict[str, Any]]:
        """Return the log of the ended process, of which each line is a JSON object."""
        return [json.loads(line) for line in (await self._reader).splitlines()]


@asynccontextmanager
async def serve(upstream: DemoUpstream, **settings: object) -> AsyncIterator[Server]:
    """Run a server of this upstream; it is killed if it has not ended with the block."""
    values = {
        "LISTEN": "127.0.0.1:0",
        "METRICS_LISTEN": "127.0.0.1:0",
        "MODEL": MODEL,
        "LOG_FORMAT": "json",
        **{name.upper(): str(value) for name, value in settings.items()},
    }
    env = {**os.environ, "OPENAI_BASE_URL": upstream.base_url}
    env |= {f"TOKENWIRE_{name}": value for name, value in values.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tokenwire", "serve", env=env, stderr=PIPE
    )
    try:
        assert process.stderr
        async with asyncio.timeout(SECONDS):
            serving = json.loads(await process.stderr.readline())
        reader = asyncio.create_task(process.stderr.read())
        async with grpc.aio.insecure_channel(serving["address"]) as channel:
            yield Server(process, channel, reader)
        await reader
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def assert_calm(log: list[dict[str, Any]]) -> None:
    """Assert that nothing in the log asks for attention, and that it ends as it should."""
    assert {entry["level"] for entry in log} == {"info"}
    assert [entry["event"] for entry in log][-2:] == ["stopped", "exit"]


async def test_row_40_fifty_streams(upstream: DemoUpstream) -> None:
    """Fifty running streams all complete: NOT_SERVING comes first, the exit last, with 0."""
    upstream.script(*["tokens 1; barrier all; answer"] * STREAMS)
    async with serve(upstream, drain_seconds=0.5, grace_seconds=3600) as server:
        calls = [server.stub.Send(HELLO) for _ in range(STREAMS)]
        await upstream.barrier("all").reached(STREAMS)
        watch = health_of(server.channel).Watch(HEALTH)
        assert (await watch.read()).status == SERVING
        server.signal()
        assert (await watch.read()).status == NOT_SERVING
        # The watch ends when the listener closes: what is left has only the grace.
        assert await watch.read() is grpc.aio.EOF
        upstream.barrier("all").release()
        for answers in await asyncio.gather(*(read(call) for call in calls)):
            assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
        assert await server.exit_code() == 0
        log = await server.log()
        assert_calm(log)
        assert [entry["code"] for entry in log if "code" in entry] == ["OK"] * STREAMS
    assert upstream.open_connections == 0


async def read(call: Any) -> list[pb.Answer]:
    return [answer async for answer in call]


async def test_row_41_fifty_streams(upstream: DemoUpstream) -> None:
    """With a grace too short each stream is told so by us, before or after its first token."""
    silent, begun = STREAMS // 2, STREAMS - STREAMS // 2
    async with serve(upstream, drain_seconds=0, grace_seconds=0.5) as server:
        upstream.script(*["stall"] * silent)
        silent_calls = [server.stub.Send(HELLO) for _ in range(silent)]
        await upstream.wait_for_requests(silent)
        upstream.script(*["tokens 1; stall"] * begun)
        begun_calls = [server.stub.Send(HELLO) for _ in range(begun)]
        for call in begun_calls:
            await anext(aiter(call))
        server.signal()
        for call in silent_calls:
            answers, error = await failure_of(call)
            assert answers == []
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert reason_of(error) == "SERVER_SHUTTING_DOWN"
        for call in begun_calls:
            answers, error = await failure_of(call)
            assert answers == [LAST_ANSWER]
            assert error.code() is grpc.StatusCode.ABORTED
            assert reason_of(error) == "SERVER_SHUTTING_DOWN"
        assert await server.exit_code() == 0
        log = await server.log()
        assert_calm(log)
        assert [entry["reason"] for entry in log if "code" in entry] == (
            ["SERVER_SHUTTING_DOWN"] * STREAMS
        )
    assert upstream.open_connections == 0


async def test_row_40_callers_who_keep_calling(upstream: DemoUpstream) -> None:
    """Callers at full speed are answered until they are told to go elsewhere; none is cancelled."""
    async with serve(upstream, drain_seconds=0.5, grace_seconds=10) as server:

        async def keep_calling(calls: int = 0) -> int:
            while True:
                try:
                    await read(server.stub.Send(HELLO))
                except grpc.aio.AioRpcError as error:
                    assert error.code() is grpc.StatusCode.UNAVAILABLE, error  # noqa: PT017 - the loop's only way out
                    return calls
                calls += 1

        async with asyncio.TaskGroup() as group:
            callers = [group.create_task(keep_calling()) for _ in range(STREAMS)]
            await upstream.wait_for_requests(STREAMS)
            server.signal()
        assert await server.exit_code() == 0
        log = await server.log()
        assert_calm(log)
        answered = [entry for entry in log if entry.get("code") == "OK"]
        assert len(answered) == sum(caller.result() for caller in callers)


async def test_row_40_a_second_signal(upstream: DemoUpstream) -> None:
    """A second signal ends the process at once, whatever is still running."""
    upstream.script("tokens 1; stall")
    async with serve(upstream, drain_seconds=3600, grace_seconds=3600) as server:
        call = server.stub.Send(HELLO)
        await anext(aiter(call))
        watch = health_of(server.channel).Watch(HEALTH)
        assert (await watch.read()).status == SERVING
        server.signal()
        assert (await watch.read()).status == NOT_SERVING
        server.signal()
        assert await server.exit_code() == 130
        await failure_of(call)
        assert {entry["level"] for entry in await server.log()} == {"info"}
