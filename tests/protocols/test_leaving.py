"""Rows 31, 32 and 34: callers that leave or do not read, through each protocol."""

import asyncio
import time
from functools import partial

from protocols.calls import begin, result_of
from protocols.drivers import ANSWERS, each_of
from protocols.drivers.base import ProtocolMethod
from protocols.world import OpenProtocols
from support.leaving import Visit, promptly

STREAMS = [method for method in ANSWERS if method.streams]
PHASES = ("before-headers", "before-first-token", "mid-stream", "after-finish-reason")


async def test_row_31_cancel(protocols: OpenProtocols) -> None:
    """A cancellation closes the upstream's connection within 50 ms, in each phase."""
    world = await protocols()

    async def leave(method: ProtocolMethod, phase: str) -> float:
        visit = Visit(world.world, phase)
        call = begin(world.world.channel, method)
        await visit.reached()
        call.cancel()
        seconds = await visit.seconds_open_after(time.monotonic())
        await world.check([(method, ("CANCELLED", ""))])
        return seconds

    for method in ANSWERS:
        for phase in PHASES:
            await promptly(partial(leave, method, phase))


async def test_row_32_deadline(protocols: OpenProtocols) -> None:
    """A deadline that passes is DEADLINE_EXCEEDED, and the upstream is left."""
    world = await protocols()
    upstream = world.world.upstream
    await world.warm_up(len(ANSWERS))
    for plan in ("stall", "tokens 2; stall"):
        before = upstream.requests_seen
        upstream.script(*[plan] * len(ANSWERS))
        results = await asyncio.gather(*(world.call(method, timeout=0.5) for method in ANSWERS))
        assert {result.ending for result in results} == {("DEADLINE_EXCEEDED", "")}
        assert [len(result.texts) > 0 for result in results] == [
            method.streams and "tokens" in plan for method in ANSWERS
        ]
        await world.check((method, ("DEADLINE_EXCEEDED", "")) for method in ANSWERS)
        outcomes = {request.outcome for request in upstream.requests[before:]}
        assert outcomes == {"client gone"}


@each_of(STREAMS)
async def test_row_34_a_slow_reader(protocols: OpenProtocols, method: ProtocolMethod) -> None:
    """A caller that stops reading is ended, and the upstream is left before it reads again."""
    world = await protocols(reader_timeout_seconds=0.3)
    visit = Visit(world.world, "blocked-in-write")
    call = begin(world.world.channel, method)
    await visit.reached()
    await visit.seconds_open_after(0)
    slow = ("RESOURCE_EXHAUSTED", "SLOW_CONSUMER")
    await world.ledger.check([(method, slow)])
    # gRPC may reset a stream whose status a caller does not take.
    assert (await result_of(method, call)).ending in (slow, ("CANCELLED", ""))
