"""Workers that cannot be started or do not answer."""

import asyncio
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from support.crew import WORKERS, by_worker, call_all, crew, held_streams, pid_of
from support.helpers import collect
from support.process import FREE_PORTS, SECONDS
from support.waiting import within
from tokenwire_demo import DemoUpstream

pytestmark = pytest.mark.slow

KILLED = 128 + signal.SIGKILL
TIMEOUT_SECONDS = 4
TIMEOUT = {"TOKENWIRE_WORKER_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS)}


def descriptors_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@contextmanager
def few_descriptors(pid: int) -> Iterator[None]:
    """Allow a process no more descriptors than it has open."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors_of(pid), before[1]))
    yield
    # The process may have exited.
    with suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


async def test_a_worker_is_started_once_there_are_descriptors(upstream: DemoUpstream) -> None:
    """Without descriptors, the supervisor logs each failed start and waits longer each time."""
    async with crew(upstream) as server:
        before = descriptors_of(server.pid)
        with few_descriptors(server.pid):
            os.kill(pid_of(server, 0), signal.SIGKILL)
            waits = []
            for time in (1, 2):
                entry = await server.logged("worker not started", times=time)
                assert (entry["worker"], entry["error"]) == (0, "EMFILE")
                assert entry["level"] == "warning"
                waits.append(entry["restart_in_seconds"])
            assert waits == [0.5, 1]
        await server.logged("worker serving", times=WORKERS + 1)
        assert len(await call_all(server)) > 0
        await within(SECONDS, "descriptors", lambda: descriptors_of(server.pid) <= before)
        server.signal(signal.SIGTERM)
        assert await server.wait() == 0
        assert len(server.entries) == len(server.log_lines)


async def test_a_worker_is_started_once_its_interpreter_is_back(
    upstream: DemoUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is replaced as soon as an upgrade has put the interpreter back."""
    interpreter = environment_like_ours(tmp_path)
    monkeypatch.setattr("support.process.TOKENWIRE", (str(interpreter), "-m", "tokenwire"))
    async with crew(upstream) as server:
        away = interpreter.rename(interpreter.with_name("away"))
        os.kill(pid_of(server, 1), signal.SIGKILL)
        entry = await server.logged("worker not started")
        assert (entry["worker"], entry["error"]) == (1, "ENOENT")
        away.rename(interpreter)
        again = await server.logged("worker serving", times=WORKERS + 1)
        assert again["worker"] == 1
        server.signal(signal.SIGTERM)
        assert await server.wait() == 0


async def test_the_end_waits_for_no_worker_that_cannot_be_started(
    upstream: DemoUpstream,
) -> None:
    """SIGTERM between two attempts to start a worker ends the supervisor without a traceback."""
    async with crew(upstream) as server:
        with few_descriptors(server.pid):
            os.kill(pid_of(server, 0), signal.SIGKILL)
            await server.logged("worker not started")
            server.signal(signal.SIGTERM)
            assert await server.wait() == 0
        assert len(server.entries) == len(server.log_lines)


def environment_like_ours(folder: Path) -> Path:
    """Make a copy of this virtual environment with its own interpreter path; return that path."""
    ours = Path(sys.prefix)
    (folder / "lib").symlink_to(ours / "lib")
    (folder / "pyvenv.cfg").symlink_to(ours / "pyvenv.cfg")
    interpreter = folder / "bin" / "python"
    interpreter.parent.mkdir()
    interpreter.symlink_to((ours / "bin" / "python").resolve())
    return interpreter


async def test_a_worker_that_does_not_answer_is_replaced(upstream: DemoUpstream) -> None:
    """A stopped worker is killed after the timeout, and its replacement serves."""
    async with crew(upstream, TIMEOUT) as server:
        stopped = pid_of(server, 0)
        os.kill(stopped, signal.SIGSTOP)
        entry = await server.logged("worker does not answer")
        assert (entry["worker"], entry["pid"], entry["level"]) == (0, stopped, "warning")
        assert (await server.logged("worker ended"))["code"] == KILLED
        again = await server.logged("worker serving", times=WORKERS + 1)
        assert again["worker"] == 0
        assert await by_worker(server, "tokenwire_worker_up") == {"0": 1, "1": 1}
        server.signal(signal.SIGTERM)
        assert await server.wait() == 0


async def test_processes_that_were_paused_together_go_on(upstream: DemoUpstream) -> None:
    """After a pause of all processes, as by `docker pause`, no worker is replaced."""
    async with crew(upstream, TIMEOUT) as server:
        pids = [server.pid, *(pid_of(server, worker) for worker in range(WORKERS))]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        # The pause must be longer than the timeout.
        await asyncio.sleep(1.5 * TIMEOUT_SECONDS)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        assert len(await call_all(server)) > 0
        server.signal(signal.SIGTERM)
        assert await server.wait() == 0
        assert {entry["level"] for entry in server.entries} == {"info"}


async def test_a_worker_that_drains_still_answers(upstream: DemoUpstream) -> None:
    """Streams may take longer to finish in a drain than the worker timeout, and none is lost."""
    async with crew(upstream, TIMEOUT) as server, held_streams(server, upstream) as calls:
        server.signal(signal.SIGTERM)
        await server.logged("draining", times=WORKERS)
        # The drain must take longer than the timeout.
        await asyncio.sleep(1.5 * TIMEOUT_SECONDS)
        upstream.barrier("held").release()
        for answers in await asyncio.gather(*map(collect, calls)):
            assert answers[-1].finish_reason
        assert await server.wait() == 0
        assert {entry["level"] for entry in server.entries} == {"info"}


@pytest.mark.parametrize("stopped_first", [True, False])
async def test_a_stopped_worker_does_not_hold_the_exit(
    upstream: DemoUpstream, *, stopped_first: bool
) -> None:
    """After the drain and grace time a stopped worker is killed, and the exit code shows it."""
    env = {"TOKENWIRE_GRACE_SECONDS": "1", "TOKENWIRE_WORKER_TIMEOUT_SECONDS": "3600"}
    async with crew(upstream, env) as server:
        stopped = pid_of(server, 0)
        if not stopped_first:
            server.signal(signal.SIGTERM)
        os.kill(stopped, signal.SIGSTOP)
        if stopped_first:
            server.signal(signal.SIGTERM)
        assert await server.wait() == KILLED
        events = [entry["event"] for entry in server.entries]
        assert events.count("worker does not answer") == 1
        assert [entry.get("worker") for entry in server.entries if entry["event"] == "stopped"] == [
            1
        ]
        assert len(server.entries) == len(server.log_lines)


async def test_a_first_start_that_cannot_be_is_told(upstream: DemoUpstream) -> None:
    """Without descriptors for its workers, the supervisor logs the error and exits."""
    env = {**os.environ, "OPENAI_BASE_URL": upstream.base_url, "TOKENWIRE_WORKERS": "200"}
    limited = ["prlimit", "--nofile=40", sys.executable, "-m", "tokenwire", "serve"]
    process = await asyncio.create_subprocess_exec(
        *limited, env=env | FREE_PORTS, stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await process.communicate()
    *warnings, line = map(json.loads, stderr.decode().splitlines())
    # One warning is about this limit, which is too low for the streams as well.
    assert ["open_files_limit" in warning for warning in warnings] == [True]
    assert (line["event"], line["error"]) == ("worker not started", "EMFILE")
    assert process.returncode == 1
