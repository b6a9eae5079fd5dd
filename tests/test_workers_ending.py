"""How workers exit: drained with their supervisor, killed and replaced, or orphaned."""

import asyncio
import os
import signal
from pathlib import Path

import grpc
import pytest

from support.crew import (
    CONNECTIONS,
    HANDLED,
    IN_FLIGHT,
    WORKERS,
    by_worker,
    call_all,
    crew,
    held_streams,
    pid_of,
)
from support.helpers import collect
from support.process import FREE_PORTS, SECONDS, TOKENWIRE
from support.waiting import within
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.workers.backoff import HEALTHY_SECONDS, MAX_SECONDS, Backoff
from tokenwire_demo import DemoUpstream

pytestmark = pytest.mark.slow

STOPPED = {"draining", "stopped", "exit"}


def assert_whole(answers: list[pb.Answer]) -> None:
    """Assert that an answer is complete."""
    assert answers[-1].finish_reason == pb.FINISH_REASON_STOP


@pytest.mark.parametrize(
    ("number", "to_all"), [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, True)]
)
async def test_all_workers_drain(
    upstream: DemoUpstream, number: signal.Signals, *, to_all: bool
) -> None:
    """Running streams of all workers complete, even if the workers get the signal themselves."""
    async with crew(upstream) as server, held_streams(server, upstream) as calls:
        if to_all:
            # As Ctrl-C does in a terminal, and systemd when it stops a service.
            for worker in range(WORKERS):
                os.kill(pid_of(server, worker), number)
        server.signal(number)
        await server.logged("draining", times=WORKERS)
        upstream.barrier("held").release()
        for answers in await asyncio.gather(*map(collect, calls)):
            assert_whole(answers)
        assert await server.wait() == 0
        stops = [entry for entry in server.entries if entry["event"] in STOPPED]
        for worker in range(WORKERS):
            own = [entry["event"] for entry in stops if entry.get("worker") == worker]
            assert own == ["draining", "stopped", "exit"]
        assert stops[-1]["event"] == "exit"
        assert "worker" not in stops[-1]
        assert {entry["level"] for entry in server.entries} == {"info"}
        assert len(server.entries) == len(server.log_lines)


async def test_a_killed_worker_is_replaced(upstream: DemoUpstream) -> None:
    """When a worker is killed, streams of others continue, and its successor answers new calls."""
    async with crew(upstream) as server, held_streams(server, upstream) as calls:
        streams = await by_worker(server, IN_FLIGHT)
        assert min(streams["0"], streams["1"]) > 0
        os.kill(pid_of(server, 0), signal.SIGKILL)
        ended = await server.logged("worker ended")
        assert (ended["worker"], ended["code"], ended["level"]) == (0, 137, "warning")
        await server.logged("worker serving", times=WORKERS + 1)
        upstream.barrier("held").release()
        results = await asyncio.gather(*map(collect, calls), return_exceptions=True)
        whole = [found for found in results if isinstance(found, list)]
        for answers in whole:
            assert_whole(answers)
        lost = [found for found in results if isinstance(found, grpc.aio.AioRpcError)]
        assert [len(lost), len(whole)] == [streams["0"], streams["1"]]
        await call_all(server)
        assert (await by_worker(server, HANDLED)).keys() == {"0", "1"}
        server.signal(signal.SIGTERM)
        assert await server.wait() == 0


async def test_a_worker_that_is_told_to_end_drains_first(upstream: DemoUpstream) -> None:
    """A worker that gets SIGTERM finishes its streams, and is then replaced."""
    async with crew(upstream) as server, held_streams(server, upstream) as calls:
        os.kill(pid_of(server, 1), signal.SIGTERM)
        assert (await server.logged("draining"))["worker"] == 1
        upstream.barrier("held").release()
        for answers in await asyncio.gather(*map(collect, calls)):
            assert_whole(answers)
        ended = await server.logged("worker ended")
        assert (ended["worker"], ended["code"]) == (1, 0)
        assert (await server.logged("worker serving", times=WORKERS + 1))["worker"] == 1


async def test_a_worker_that_crashes_again_waits_longer(upstream: DemoUpstream) -> None:
    """The first replacement starts immediately, later ones after increasing delays."""
    async with crew(upstream) as server:
        waits = []
        for time in range(1, 4):
            os.kill(pid_of(server, 0), signal.SIGKILL)
            waits.append((await server.logged("worker ended", times=time))["restart_in_seconds"])
            await server.logged("worker serving", times=WORKERS + time)
        assert waits == [0, 0.5, 1]
        assert await by_worker(server, "tokenwire_worker_restarts_total") == {"0": 3, "1": 0}


def test_the_wait_is_bounded_and_forgotten() -> None:
    """The delay doubles up to its maximum, and is reset by a worker that has served long."""
    backoff = Backoff()
    waits = [backoff.delay(0) for _ in range(20)]
    assert waits[:6] == [0, 0.5, 1, 2, 4, 8]
    assert max(waits) == waits[-1] == MAX_SECONDS
    assert [backoff.delay(HEALTHY_SECONDS), backoff.delay(0)] == [0, 0.5]


async def test_a_worker_killed_in_the_drain_is_told_by_the_code(upstream: DemoUpstream) -> None:
    """The exit code is the worst of the workers', and a worker killed now is not replaced."""
    async with crew(upstream) as server, held_streams(server, upstream):
        server.signal(signal.SIGTERM)
        await server.logged("draining", times=WORKERS)
        os.kill(pid_of(server, 1), signal.SIGKILL)
        upstream.barrier("held").release()
        assert await server.wait() == 137
        events = [entry["event"] for entry in server.entries]
        assert events.count("worker serving") == WORKERS


async def test_a_drain_does_not_wait_for_a_worker_that_only_starts(upstream: DemoUpstream) -> None:
    """A replacement that does not serve yet when the signal comes just ends, with exit code 0."""
    async with crew(upstream) as server:
        os.kill(pid_of(server, 0), signal.SIGKILL)
        # Its replacement loads its modules for a second or more.
        await server.logged("worker ended")
        server.signal(signal.SIGTERM)
        assert await server.wait() == 0
        assert "Traceback" not in "\n".join(server.log_lines)


async def test_a_second_signal_ends_all_at_once(upstream: DemoUpstream) -> None:
    """A second signal ends all workers without waiting for streams, with exit code 130."""
    env = {"TOKENWIRE_DRAIN_SECONDS": "3600", "TOKENWIRE_GRACE_SECONDS": "3600"}
    async with crew(upstream, env) as server, held_streams(server, upstream):
        server.signal(signal.SIGINT)
        await server.logged("draining", times=WORKERS)
        server.signal(signal.SIGINT)
        # Also waits until the last worker has closed the log.
        assert await server.wait() == 130
        assert "Traceback" not in "\n".join(server.log_lines)


async def test_workers_do_not_outlive_a_killed_supervisor(upstream: DemoUpstream) -> None:
    """Workers whose supervisor was killed finish the answers they have begun, and exit."""
    async with crew(upstream) as server, held_streams(server, upstream) as calls:
        server.signal(signal.SIGKILL)
        await server.logged("draining", times=WORKERS)
        upstream.barrier("held").release()
        for answers in await asyncio.gather(*map(collect, calls)):
            assert_whole(answers)
        # Also waits until the last worker has closed the log.
        assert await server.wait() == -signal.SIGKILL
        assert [entry["event"] for entry in server.entries].count("stopped") == WORKERS
        assert len(server.entries) == len(server.log_lines)
    assert upstream.open_connections == 0


def has_children(pid: int) -> bool:
    return bool(Path(f"/proc/{pid}/task/{pid}/children").read_text())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_during_the_start_ends_all(
    upstream: DemoUpstream, number: signal.Signals, code: int
) -> None:
    """Before all workers serve, one signal ends the supervisor and its workers silently."""
    env = {
        **os.environ,
        **FREE_PORTS,
        "OPENAI_BASE_URL": upstream.base_url,
        "TOKENWIRE_WORKERS": str(WORKERS),
    }
    process = await asyncio.create_subprocess_exec(
        *TOKENWIRE, "serve", env=env, stderr=asyncio.subprocess.PIPE
    )
    try:
        await within(SECONDS, "a worker starts", lambda: has_children(process.pid))
        # It loads its modules for a second or more.
        process.send_signal(number)
        # Also waits until the last worker has closed the log.
        _, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == code
    assert stderr == b""


async def test_a_server_can_follow_on_the_same_port(upstream: DemoUpstream) -> None:
    """After the exit the port is free at once, even while connections to it are closing."""
    async with crew(upstream) as server:
        await call_all(server)
        server.signal(signal.SIGTERM)
        assert await server.wait() == 0
    async with crew(upstream, {"TOKENWIRE_LISTEN": server.address}) as successor:
        assert successor.address == server.address
        assert len(await call_all(successor)) == CONNECTIONS
