"""Row 33: the caller's process is killed or frozen."""

import asyncio
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from support.leaving import PHASES, Visit, promptly
from support.programs import ROOT, started
from support.waiting import within
from support.world import World, open_world

CLIENT = ROOT / "tests" / "support" / "client.py"
CANCELLED = grpc.StatusCode.CANCELLED


@asynccontextmanager
async def caller(world: World, visit: Visit) -> AsyncIterator[Process]:
    """Make the call of `visit` in another process; yield it once the phase is reached."""
    arguments = (world.app.address, str(visit.tokens))
    async with started(sys.executable, CLIENT, *arguments) as process:
        assert process.stdout
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b"read\n"
            await visit.reached()
        yield process


@pytest.mark.parametrize("phase", PHASES)
async def test_row_33_killed(world: World, phase: str) -> None:
    """Killing the caller's process, in any phase, closes the upstream connection within 50 ms."""

    async def leave() -> float:
        visit = Visit(world, phase)
        async with caller(world, visit) as process:
            process.send_signal(signal.SIGKILL)
            seconds = await visit.seconds_open_after(time.monotonic())
        await world.check(CANCELLED)
        return seconds

    await promptly(leave)


@pytest.mark.parametrize("phase", ["before-first-token", "mid-stream", "blocked-in-write"])
async def test_row_33_frozen(monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    """The call of a frozen process ends when its keepalive ping times out."""
    async with open_world(monkeypatch, keepalive_seconds=1, keepalive_timeout_seconds=0.5) as world:
        visit = Visit(world, phase)
        async with caller(world, visit) as process:
            process.send_signal(signal.SIGSTOP)
            seconds = await visit.seconds_open_after(time.monotonic())
        assert seconds < 2.5
        await world.check(CANCELLED)


async def test_row_33_silent_but_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that answers keepalive pings is waited for, however long no data flows."""
    async with open_world(
        monkeypatch, keepalive_seconds=0.5, keepalive_timeout_seconds=0.5
    ) as world:
        visit = Visit(world, "mid-stream")
        in_flight = "tokenwire_streams_in_flight"
        async with caller(world, visit):
            # Longer than several keepalive intervals and timeouts.
            await asyncio.sleep(3)
            assert world.upstream.active_requests == 1
            visit.release()
            sample = world.app.metrics.registry.get_sample_value
            await within(5, "answered", lambda: sample(in_flight) == 0)
        await world.check(grpc.StatusCode.OK)
