"""Rows 31 and 32 for the unary methods that ask the upstream: the caller leaves."""

import json
import math
import time

import grpc
import pytest

from support.leaving import Visit, promptly
from support.methods import ASK, ASKING, SETTINGS, UnaryMethod, each_of
from support.world import World, open_world

CANCELLED = grpc.StatusCode.CANCELLED
DEADLINE_EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED
PHASES = [
    *[(method, "before-headers") for method in ASKING],
    *[(ASK, phase) for phase in ("before-first-token", "after-role", "after-finish-reason")],
]


def slots_taken(world: World) -> float | None:
    return world.app.metrics.registry.get_sample_value("tokenwire_streams_in_flight")


@pytest.mark.parametrize(("method", "phase"), PHASES, ids=str)
async def test_row_31_cancel(
    monkeypatch: pytest.MonkeyPatch, method: UnaryMethod, phase: str
) -> None:
    """A cancellation closes the upstream connection within 50 ms and frees the only slot."""
    async with open_world(monkeypatch, **SETTINGS, max_streams=1, max_queue=0) as world:

        async def leave() -> float:
            visit = Visit(world, phase)
            call = method.call(world.stub)
            await visit.reached()
            assert slots_taken(world) == 1
            call.cancel()
            seconds = await visit.seconds_open_after(time.monotonic())
            await world.check(CANCELLED)
            return seconds

        await promptly(leave)
        await method.call(world.stub)
        await world.check(grpc.StatusCode.OK)


@each_of(ASKING)
async def test_row_32_deadline(monkeypatch: pytest.MonkeyPatch, method: UnaryMethod) -> None:
    """The caller's deadline closes the upstream connection within 50 ms and frees the only slot."""
    async with open_world(monkeypatch, **SETTINGS, max_streams=1, max_queue=0) as world:

        async def leave() -> float:
            visit = Visit(world, "before-headers")
            deadline = time.monotonic() + 0.765
            call = method.call(world.stub, timeout=0.765)
            await visit.reached()
            seconds = await visit.seconds_open_after(deadline)
            assert await call.code() is DEADLINE_EXCEEDED
            await world.at_rest()
            entries = map(json.loads, world.log.getvalue().splitlines())
            [*_, code] = [each["code"] for each in entries if each["event"] == "call ended"]
            await world.check(grpc.StatusCode[code])
            # See test_row_32_deadline of streams.
            return seconds if code == "DEADLINE_EXCEEDED" else math.inf

        await promptly(leave)
        await method.call(world.stub)
        await world.check(grpc.StatusCode.OK)


@each_of(ASKING)
async def test_row_32_no_time_left(monkeypatch: pytest.MonkeyPatch, method: UnaryMethod) -> None:
    """A call without time left is DEADLINE_EXCEEDED, and the upstream is not asked."""
    async with open_world(monkeypatch, **SETTINGS) as world:
        requests = world.upstream.requests_seen
        assert await method.call(world.stub, timeout=-1).code() is DEADLINE_EXCEEDED
        await world.at_rest()
        assert world.upstream.requests_seen == requests
