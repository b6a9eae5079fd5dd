"""Row 53: file descriptors or threads run out, and no other party is blamed for it."""

import asyncio
import errno
import json
import os
import resource
import shlex
import socket
from collections import Counter
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.helpers import reason_of
from support.process import TOKENWIRE, ServerProcess
from support.world import World, open_world
from tokenwire.process import descriptors
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
REASON = "SERVER_RESOURCES_EXHAUSTED"
CALLS = 40
FILES = 48
SECONDS = 30
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


class FewFiles(ServerProcess):
    """A server with a low limit of open files."""

    def __init__(self, soft: int, hard: int, **env: str) -> None:
        super().__init__(env=env)
        limited = f"ulimit -Sn {soft}; ulimit -Hn {hard}; exec {shlex.join((*TOKENWIRE, 'serve'))}"
        self._command = ("bash", "-c", limited)


async def test_row_53_few_files(upstream: DemoUpstream) -> None:
    """With 48 open files, each of 40 calls is OK or fails as in row 53, and health answers."""
    upstream.script(*["barrier held; answer"] * CALLS)
    async with FewFiles(FILES, FILES, OPENAI_BASE_URL=upstream.base_url) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            calls = [asyncio.create_task(ending(channel)) for _ in range(CALLS)]
            async with asyncio.timeout(SECONDS):
                await server.logged("call ended")
            health: Any = health_pb2_grpc.HealthStub(channel)
            assert (await health.Check(health_pb2.HealthCheckRequest())).status == 1
            upstream.barrier("held").release()
            async with asyncio.timeout(SECONDS):
                ends = Counter(await asyncio.gather(*calls))
            assert set(ends) == {"OK", REASON}
            assert await ending(channel) == "OK"
        # Idle connections were closed, so that another caller can connect.
        assert await ending_of_another(server.address) == "OK"
        failed = [entry for entry in server.entries if entry.get("reason") == REASON]
        assert len(failed) == ends[REASON]
        assert {entry["cause"] for entry in failed} == {"file_descriptors"}
        [warning] = [entry for entry in server.entries if "RLIMIT_NOFILE" in entry["event"]]
        assert warning["level"] == "warning"
        assert warning["open_files_limit"] == FILES
        assert warning["needed"] > 2 * warning["max_streams"]


async def test_row_53_few_files_for_many_callers(upstream: DemoUpstream) -> None:
    """The same holds for callers that each have their own connection."""
    upstream.script(*["wait 0.2; answer"] * CALLS)
    async with FewFiles(FILES, FILES, OPENAI_BASE_URL=upstream.base_url) as server:
        async with asyncio.timeout(SECONDS):
            ends = await asyncio.gather(*[ending_of_another(server.address) for _ in range(CALLS)])
        assert set(ends) <= {"OK", REASON}
        assert await ending_of_another(server.address) == "OK"


async def ending_of_another(address: str) -> str:
    """Return how a call on a new connection ends."""
    async with grpc.aio.insecure_channel(address, options=OWN_CONNECTION) as channel:
        return await ending(channel)


async def ending(channel: grpc.aio.Channel) -> str:
    """Return how a call ends: OK, or its reason."""
    stub: Any = chatgpt_pb2_grpc.ChatgptStub(channel)
    try:
        async for _ in stub.Send(pb.Message(content="hello"), wait_for_ready=True):
            pass
    except grpc.aio.AioRpcError as error:
        return reason_of(error)
    return "OK"


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_the_soft_limit_is_raised(upstream: DemoUpstream, workers: str) -> None:
    """A process, and each worker, raises its soft limit of open files to the hard limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    env = {
        "OPENAI_BASE_URL": upstream.base_url,
        "TOKENWIRE_WORKERS": workers,
        "TOKENWIRE_MAX_STREAMS": "100",
    }
    async with FewFiles(256, hard, **env) as server:
        pids = [server.pid, *(e["pid"] for e in server.entries if e["event"] == "worker serving")]
        limits = {resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids}
        assert limits == {(hard, hard)}
        assert not [entry for entry in server.entries if "RLIMIT_NOFILE" in entry["event"]]


def no_thread(*_: Any, **__: Any) -> None:
    """Fail like a thread pool that cannot start a thread."""
    raise RuntimeError("can't start new thread")


def no_descriptor(*_: Any, **__: Any) -> None:
    """Fail like opening a socket in a process without free descriptors."""
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


async def check_row_53(world: World, cause: str) -> None:
    """Check that a call fails as in row 53."""
    answers, error = await world.ended(world.send())
    assert not answers
    assert error is not None
    assert (error.code(), reason_of(error)) == (UNAVAILABLE, REASON)
    await world.check(UNAVAILABLE, REASON)
    entry = json.loads(world.log.getvalue().splitlines()[-1])
    assert (entry["reason"], entry["cause"]) == (REASON, cause)
    assert f'failures_total{{cause="{cause}"}} 1.0' in world.metrics()
    blamed = [
        line
        for line in world.metrics().splitlines()
        if line.startswith("tokenwire_upstream_errors_total{") and not line.endswith(" 0.0")
    ]
    assert blamed == []


GETADDRINFO = socket.getaddrinfo
HOST = "upstream.test"


def known_name(host: Any, *arguments: Any, **options: Any) -> Any:
    """Resolve HOST as the address of this machine."""
    return GETADDRINFO("127.0.0.1" if host == HOST else host, *arguments, **options)


def unknown_name(host: Any, *arguments: Any, **options: Any) -> Any:
    """Fail, for HOST, like a lookup that cannot open its files."""
    if host == HOST:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return GETADDRINFO(host, *arguments, **options)


@pytest.mark.parametrize(
    ("patches", "cause"),
    [
        ({"concurrent.futures.ThreadPoolExecutor.submit": no_thread}, "threads"),
        (
            {"socket.getaddrinfo": unknown_name, "socket.socket": no_descriptor},
            "file_descriptors",
        ),
        ({"socket.socket": no_descriptor}, "file_descriptors"),
    ],
    ids=["no thread for the lookup", "no file for the lookup", "no socket"],
)
async def test_row_53_while_connecting(
    monkeypatch: pytest.MonkeyPatch,
    upstream: DemoUpstream,
    patches: dict[str, Any],
    cause: str,
) -> None:
    """The cause names the missing resource, both for the lookup and for the connection."""
    monkeypatch.setattr("aiohttp.connector._DNSCacheTable.expired", lambda *_: True)
    monkeypatch.setattr("socket.getaddrinfo", known_name)
    base_url = upstream.base_url.replace("127.0.0.1", HOST)
    # This keeps the connection of the warm-up from being reused.
    upstream.script("tokens 1; finish; close")
    async with open_world(monkeypatch, base_url=base_url) as world:
        with monkeypatch.context() as patch:
            for name, broken in patches.items():
                patch.setattr(name, broken)
            await check_row_53(world, cause)
        answers, error = await world.ended(world.send())
        assert answers
        assert error is None


async def test_a_name_that_is_unknown_is_no_want_of_descriptors(
    monkeypatch: pytest.MonkeyPatch, upstream: DemoUpstream
) -> None:
    """A failed lookup is UPSTREAM_UNREACHABLE if descriptors are left."""
    monkeypatch.setattr("socket.getaddrinfo", unknown_name)
    async with open_world(
        monkeypatch, base_url=upstream.base_url.replace("127.0.0.1", HOST)
    ) as world:
        answers, error = await world.ended(world.send())
        assert not answers
        assert error is not None
        assert reason_of(error) == "UPSTREAM_UNREACHABLE"


def test_a_limit_that_the_kernel_refuses_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the limit cannot be raised, the process still starts, and logs how many files it needs."""

    def refuse(*_: Any) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    descriptors.raise_limit(max_streams=10**9)
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert vars(record)["needed"] > 2 * 10**9
