"""Row 51: a log that is not read, or that cannot be written, blocks nothing."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import httpx2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.app import MODEL
from support.helpers import collect
from support.process import SECONDS, TOKENWIRE, ServerProcess
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

CALLS = 6_000
"""Their lines, of 280 bytes each, exceed the pipe and the queue of 1 MiB."""
AT_ONCE = 100
DROPPED = "tokenwire_log_lines_dropped_total"
SERVING = health_pb2.HealthCheckResponse.SERVING


def environment(upstream: DemoUpstream) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": upstream.base_url,
        "TOKENWIRE_MODEL": MODEL,
        "TOKENWIRE_DRAIN_SECONDS": "0",
    }


async def health(channel: grpc.aio.Channel) -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest()
    answer = await stub.Check(request, wait_for_ready=True, timeout=SECONDS)  # type: ignore[attr-defined] # missing from the type stubs
    return int(answer.status)


async def dropped(metrics_address: str, reason: str, metric: str = DROPPED) -> float:
    async with httpx2.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"http://{metrics_address}/metrics")).text
    name = f'{metric}{{reason="{reason}"'
    series = [line for line in text.splitlines() if line.startswith(name)]
    assert series
    return sum(float(line.rpartition(" ")[2]) for line in series)


async def reject(channel: grpc.aio.Channel, calls: int) -> None:
    """Make calls that fail at once, each with a line in the log."""
    stub = chatgpt_pb2_grpc.ChatgptStub(channel)

    async def some() -> None:
        for _ in range(calls // AT_ONCE):
            with pytest.raises(grpc.aio.AioRpcError):
                await collect(stub.Send(pb.Message()))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(some())


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_row_51_a_log_that_nobody_reads(upstream: DemoUpstream, workers: str) -> None:
    """With a full pipe, calls, health, metrics and SIGTERM work; lost lines are counted."""
    async with (
        ServerProcess("--workers", workers, env=environment(upstream)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        await server.stop_reading()
        await reject(channel, CALLS)
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        assert (await collect(stub.Send(pb.Message(content="hello"))))[-1].finish_reason
        assert await health(channel) == SERVING
        lost = await dropped(server.metrics_address, "queue")
        assert lost > 0
        server.signal(signal.SIGTERM)
        assert await server.exit_code() == 0


async def test_row_51_a_log_that_is_read_again(upstream: DemoUpstream) -> None:
    """Once the log is read again, every line is complete, and one reports how many were lost."""
    async with (
        ServerProcess(env=environment(upstream)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        await server.stop_reading()
        await reject(channel, CALLS)
        lost = await dropped(server.metrics_address, "queue")
        server.read_on()
        entry = await server.logged("log lines dropped")
        server.signal(signal.SIGTERM)
        assert await server.wait() == 0
    assert (entry["level"], entry["logger"]) == ("warning", "tokenwire.observability.logs.handler")
    assert entry["lines"] == lost
    assert entry["reasons"] == {"queue": lost}
    entries = [json.loads(line) for line in server.log_lines]
    ended = [each for each in entries if each["event"] == "call ended"]
    assert len(ended) == CALLS - lost
    assert entries[-1]["event"] == "exit"


@asynccontextmanager
async def serving(
    upstream: DemoUpstream, redirection: str, stderr: int | None = None
) -> AsyncIterator[tuple[asyncio.subprocess.Process, grpc.aio.Channel, str]]:
    """Run a server whose stderr is redirected by a shell.

    Yields:
        The process, a channel to it, and the address of its metrics.
    """
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("", 0)) as two:
        ports = [each.getsockname()[1] for each in (one, two)]
    listen, metrics = (f"127.0.0.1:{port}" for port in ports)
    env = {"TOKENWIRE_LISTEN": listen, "TOKENWIRE_METRICS_LISTEN": metrics}
    command = ("sh", "-c", f'exec "$@" {redirection}', "sh", *TOKENWIRE, "serve")
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **environment(upstream), **env}, stderr=stderr
    )
    try:
        await accepts(listen)
        async with grpc.aio.insecure_channel(listen) as channel:
            assert await health(channel) == SERVING
            yield process, channel, metrics
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def accepts(address: str) -> None:
    """Return once a server listens at `address`; its log cannot be read."""
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.transport.abort()
                return


async def end(process: asyncio.subprocess.Process) -> int:
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(SECONDS):
        return await process.wait()


@pytest.mark.parametrize("redirection", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
async def test_row_51_a_log_that_is_closed(upstream: DemoUpstream, redirection: str) -> None:
    """A process without stderr serves and ends normally, and no socket receives lines."""
    async with serving(upstream, redirection) as (process, channel, _):
        await reject(channel, AT_ONCE)
        streams = Path(f"/proc/{process.pid}/fd")
        assert (streams / "2").readlink() == Path(os.devnull)
        assert await end(process) == 0


async def test_row_51_a_log_on_a_full_disk(upstream: DemoUpstream) -> None:
    """Lines that a full disk rejects are counted, without other effects."""
    async with serving(upstream, "2>/dev/full") as (process, channel, metrics):
        await reject(channel, AT_ONCE)
        assert await health(channel) == SERVING
        # The last lines may still be queued.
        assert await dropped(metrics, "write") > 0
        assert await end(process) == 0


async def test_row_51_a_log_whose_reader_is_gone(upstream: DemoUpstream) -> None:
    """Lines for a broken pipe are counted, without other effects."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        async with serving(upstream, "", writer) as (process, channel, metrics):
            await reject(channel, AT_ONCE)
            assert await health(channel) == SERVING
            assert await dropped(metrics, "write") > 0
            assert await end(process) == 0
    finally:
        os.close(writer)


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
async def test_row_51_bad_settings_with_such_a_log(redirection: str) -> None:
    """The exit code of a process that cannot start is 2, wherever its log goes."""
    command = ("sh", "-c", f'exec "$@" {redirection}', "sh", *TOKENWIRE, "serve")
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, "TOKENWIRE_LISTEN": "nowhere"}
    )
    async with asyncio.timeout(SECONDS):
        assert await process.wait() == 2
