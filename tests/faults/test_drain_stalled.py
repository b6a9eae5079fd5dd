"""Row 41: callers that do not read, or do not send their message, do not delay a stop."""

import time

import grpc
import pytest
from grpc_health.v1 import health_pb2

from support import http2
from support.waiting import within
from support.world import World, open_world
from tokenwire.app import STATUS_GRACE_SECONDS
from tokenwire.v1 import chatgpt_pb2 as pb

UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "SERVER_SHUTTING_DOWN")
ABORTED = (grpc.StatusCode.ABORTED, "SERVER_SHUTTING_DOWN")
SLOW_CONSUMER = (grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_CONSUMER")

GRACE = 0.3
MARGIN = STATUS_GRACE_SECONDS + 0.5
"""For sending the statuses, and then for closing everything."""

MESSAGE = http2.message(1, pb.Message(content="hello").SerializeToString())
TWO_TOKENS = "text a; barrier first; text b; barrier second"
ONE_ANSWER = len(pb.Answer(content="a").SerializeToString()) + 5


async def drain(world: World) -> None:
    """Drain, and check that it takes at most the grace and the margin."""
    started = time.monotonic()
    await world.app.drain()
    assert time.monotonic() - started < GRACE + MARGIN


@pytest.mark.parametrize(
    "window", [0, ONE_ANSWER], ids=["within the first token", "within the second"]
)
async def test_row_41_a_reader_that_stalls(monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    """A stalled reader's call is ABORTED like others, although its status cannot be delivered."""
    async with open_world(monkeypatch, grace_seconds=GRACE) as world:
        world.upstream.script(TWO_TOKENS)
        async with http2.connect(world.app.address, window=window) as caller:
            await caller.send(http2.call(1), MESSAGE)
            await world.upstream.barrier("first").reached()
            if window:
                await caller.reader.readuntil(pb.Answer(content="a").SerializeToString())
            world.upstream.barrier("first").release()
            await world.upstream.barrier("second").reached()
            await drain(world)
        await world.check_all([ABORTED])


async def test_row_41_a_reader_that_stalled_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SLOW_CONSUMER call whose status is still undelivered does not delay the stop."""
    async with open_world(monkeypatch, grace_seconds=GRACE, reader_timeout_seconds=0.1) as world:
        world.upstream.script("tokens 1; stall")
        async with http2.connect(world.app.address, window=0) as caller:
            await caller.send(http2.call(1), MESSAGE)
            await within(5, "the call ended", lambda: "SLOW_CONSUMER" in world.log.getvalue())
            await drain(world)
        await world.check_all([SLOW_CONSUMER])


async def test_row_41_a_watcher_that_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stalled health watch delays neither the updates of other watches nor the stop."""
    async with open_world(monkeypatch, grace_seconds=GRACE) as world:
        request = health_pb2.HealthCheckRequest(service="openai.Chatgpt")
        async with http2.connect(world.app.address, window=0) as watcher:
            await watcher.send(
                http2.call(1, "/grpc.health.v1.Health/Watch"),
                http2.message(1, request.SerializeToString()),
            )
            # Headers need no window; the message after them blocks.
            await watcher.reader.readuntil(b"grpc-accept-encoding")
            await drain(world)
        await world.check_all([])
