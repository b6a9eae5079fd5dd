"""Row 52: callers that do not read the status of their call."""

from contextlib import AsyncExitStack

import grpc
import pytest
from grpc_health.v1 import health_pb2

from support import http2
from support.health import SERVING, health_of
from support.helpers import sample
from support.waiting import count_tasks, within
from support.world import World, open_world
from tokenwire import components
from tokenwire.v1 import chatgpt_pb2 as pb

SLOW_CONSUMER = (grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_CONSUMER")
DURATION = (grpc.StatusCode.ABORTED, "STREAM_DURATION_LIMIT")
OK = (grpc.StatusCode.OK, "")

CHECK = "/grpc.health.v1.Health/Check"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
LIST_SERVICES = b"\x3a\x00"
HOUR = 3_600


def message(plan: str) -> bytes:
    return pb.Message(content=f"[[demo: {plan}]]").SerializeToString()


def undelivered(world: World) -> float:
    """Return the number of undelivered statuses, according to the metrics."""
    return sample(world.metrics(), "tokenwire_undelivered_statuses") or 0


def reset(world: World) -> float:
    """Return the number of calls that were reset."""
    return sample(world.metrics(), "tokenwire_streams_reset_total") or 0


def failed(world: World) -> float:
    """Return the number of calls that exceeded the duration limit."""
    labels = {"grpc_code": DURATION[0].name, "reason": DURATION[1]}
    return sample(world.metrics(), "tokenwire_errors_total", **labels) or 0


async def next_call(world: World) -> None:
    """Make gRPC accept another call, because it keeps the previous one until then."""
    assert (await health_of(world.channel).Check(health_pb2.HealthCheckRequest())).status == SERVING


async def test_row_52_readers_that_stall_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of 200 stalled calls are reset after twice the reader's timeout, and nothing is left."""
    limits = {"max_streams": 20, "max_queue": 200, "queue_timeout_seconds": HOUR}
    async with (
        open_world(monkeypatch, reader_timeout_seconds=0.2, **limits) as world,
        AsyncExitStack() as stack,
    ):
        await world.warm_up(20)
        tasks = count_tasks()
        callers = [
            await stack.enter_async_context(http2.connect(world.app.address, window=0))
            for _ in range(10)
        ]
        for caller in callers:
            for stream in range(1, 41, 2):
                await caller.send(
                    http2.call(stream), http2.message(stream, message("tokens 5; stall"))
                )
        await within(30, "all were reset", lambda: reset(world) == 200)
        await within(10, "no task is left", lambda: count_tasks() <= tasks + 20)
        assert undelivered(world) == 0
        await next_call(world)
        for caller in callers:
            assert {await caller.was_reset() for _ in range(20)} == set(range(1, 41, 2))
        await stack.aclose()
        await world.check_all([SLOW_CONSUMER] * 200)


async def test_row_52_the_stream_alone_is_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reset of a stalled call does not affect other calls of its connection."""
    async with open_world(monkeypatch, reader_timeout_seconds=0.2) as world:
        # This window holds several small answers, but not a large one.
        async with http2.connect(world.app.address, window=2_000) as caller:
            held = message("tokens 1; barrier held; answer")
            await caller.send(http2.call(1), http2.message(1, held))
            await world.upstream.barrier("held").reached()
            stalled = message(f"filler 1000 {'x' * 500}; stall")
            await caller.send(http2.call(3), http2.message(3, stalled))
            await within(5, "it was reset", lambda: reset(world) == 1)
            await next_call(world)
            assert await caller.was_reset() == 3
            world.upstream.barrier("held").release()
            await caller.status(grpc.StatusCode.OK.value[0])
        await world.check_all([SLOW_CONSUMER, OK])


async def test_row_52_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of undelivered statuses is limited, however long the reader's timeout is."""
    limits = {"max_streams": 5, "reader_timeout_seconds": HOUR, "stream_timeout_seconds": 1}
    monkeypatch.setattr(components, "MIN_HELD_CALLS", 5)
    async with open_world(monkeypatch, **limits) as world:
        async with http2.connect(world.app.address, window=0) as caller:
            plan = message("tokens 1; stall")
            for first in (1, 7, 13, 19):
                for stream in range(first, first + 6, 2):
                    await caller.send(http2.call(stream), http2.message(stream, plan))
                await within(10, "they failed", lambda: failed(world) * 2 > first + 4)  # noqa: B023 - called in the loop
            await within(5, "some were reset", lambda: reset(world) == 12 - 5)
            assert undelivered(world) == 5
        await within(5, "the caller has left", lambda: undelivered(world) == 0)
        await world.check_all([DURATION] * 12)


@pytest.mark.parametrize(
    ("method", "request_"), [(CHECK, b""), (REFLECT, LIST_SERVICES)], ids=["health", "reflection"]
)
async def test_row_52_answers_of_other_services(
    monkeypatch: pytest.MonkeyPatch, method: str, request_: bytes
) -> None:
    """An unread answer of the health or reflection service is reset like a status."""
    async with open_world(monkeypatch, reader_timeout_seconds=0.2) as world:
        # gRPC keeps the very first call of some methods.
        async with http2.connect(world.app.address) as caller:
            await caller.send(http2.call(1, method), http2.message(1, request_))
            await caller.status(grpc.StatusCode.OK.value[0])
        async with http2.connect(world.app.address, window=0) as caller:
            await caller.send(http2.call(1, method), http2.message(1, request_))
            await within(5, "it was reset", lambda: reset(world) == 1)
            await next_call(world)
            assert await caller.was_reset() == 1
        await world.check_all([])
