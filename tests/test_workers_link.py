"""The link between a worker and its supervisor, if one of them sends an invalid message."""

import asyncio
import sys

import pytest

from support.process import SECONDS, run_tokenwire
from tokenwire.workers import worker as module
from tokenwire.workers.watch import WorkerMonitor
from tokenwire.workers.worker import StartError, Worker

ADDRESS = '{"metrics_address": "127.0.0.1:1"}'
SAYS = "import os, sys, time; os.write(int(sys.argv[2]), {text}); time.sleep(3600)"
KILLED = 137


def say(monkeypatch: pytest.MonkeyPatch, text: str) -> Worker:
    """Return a worker whose process writes the value of this expression, and hangs."""
    monkeypatch.setattr(module, "COMMAND", (sys.executable, "-c", SAYS.format(text=text)))
    return Worker(0, {"listen": "127.0.0.1:0"})


NONSENSE = [
    "b'garbage\\n'",
    "b'\\xff\\n'",
    "b'[1]\\n'",
    "b'null\\n'",
    "b'{}\\n'",
    "b'[' * 60_000 + b'\\n'",
    "b'x' * 200_000",
    """b'{"metrics_address": 5}\\n'""",
    """b'{"problems": 5}\\n'""",
]


async def test_a_worker_that_says_nonsense_is_ended(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """A worker that sends an invalid or oversized message is killed without a delay."""
    for text in NONSENSE:
        with subtests.test(text=text), monkeypatch.context() as patched:
            worker = say(patched, text)
            await worker.spawn()
            async with asyncio.timeout(SECONDS):
                with pytest.raises(StartError) as raised:
                    await worker.serving()
            assert (raised.value.code, raised.value.problems) == (KILLED, [])


async def test_nonsense_is_no_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that serves and then sends only invalid messages is killed after the timeout."""
    worker = say(monkeypatch, f"b'{ADDRESS}\\n' + b'garbage\\n' * 10_000")
    await worker.spawn()
    await worker.serving()
    watching = asyncio.create_task(WorkerMonitor([worker], 1).run())
    async with asyncio.timeout(SECONDS):
        assert await worker.ended() == KILLED
    watching.cancel()


async def test_only_a_supervisor_starts_workers() -> None:
    """A worker process whose descriptor is not a link exits with one line."""
    done = await run_tokenwire("serve", "--worker", "0", "99")
    assert done.code == 1
    assert done.stderr == "tokenwire: only a supervisor starts workers\n"
