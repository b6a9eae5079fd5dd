"""Rows 46 and 47: calls whose request message is missing or incomplete."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from support import http2
from support.helpers import reason_of, sample
from support.waiting import within
from support.world import World, open_world
from tokenwire import components
from tokenwire.v1 import chatgpt_pb2 as pb

SEND = "/openai.Chatgpt/Send"
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

MALFORMED = (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
TIMEOUT = (grpc.StatusCode.RESOURCE_EXHAUSTED, "REQUEST_TIMEOUT")

OK = (grpc.StatusCode.OK, "")

MESSAGE = pb.Message(content="hello").SerializeToString()
HOUR = 3_600


def waiting(world: World) -> float:
    """Return the number of calls that wait for their message, according to the metrics."""
    return sample(world.metrics(), "tokenwire_incomplete_requests") or 0


@pytest.mark.parametrize("method", [SEND, CHECK, WATCH])
async def test_row_46_half_closed_without_a_message(world: World, method: str) -> None:
    """A call that is half-closed without a message is INVALID_ARGUMENT within a second."""
    async with http2.connect(world.app.address) as caller:
        await caller.send(http2.call(1, method, end=True))
        async with asyncio.timeout(1):
            await caller.status(grpc.StatusCode.INVALID_ARGUMENT.value[0])
    await world.check_all([MALFORMED] if method == SEND else [])


@pytest.mark.parametrize("end", [True, False], ids=["second message", "no end"])
@pytest.mark.parametrize("method", [SEND, CHECK])
async def test_the_first_message_is_the_request(world: World, method: str, *, end: bool) -> None:
    """Anything after the first message is neither awaited nor read."""
    message = MESSAGE if method == SEND else b""
    async with http2.connect(world.app.address) as caller:
        await caller.send(
            http2.call(1, method),
            http2.message(1, message, end=False),
            http2.message(1, b"\xde\xad", end=True) if end else b"",
        )
        await caller.status(grpc.StatusCode.OK.value[0])
    await world.check_all([OK] if method == SEND else [])


@pytest.mark.parametrize("method", [CHECK, WATCH, REFLECT])
async def test_row_46_a_message_that_does_not_parse(world: World, method: str) -> None:
    """An invalid message to another service is INVALID_ARGUMENT, without a traceback in the log."""
    async with http2.connect(world.app.address) as caller:
        await caller.send(http2.call(1, method), http2.message(1, b"\xde\xad"))
        await caller.status(grpc.StatusCode.INVALID_ARGUMENT.value[0])
    await world.check_all([])


@pytest.mark.parametrize("method", [SEND, CHECK, WATCH])
@pytest.mark.parametrize("parts", [0, 1], ids=["no message", "half a message"])
async def test_row_47_the_message_never_comes(
    monkeypatch: pytest.MonkeyPatch, method: str, parts: int
) -> None:
    """A request that is not complete in time is RESOURCE_EXHAUSTED; until then it is counted."""
    async with open_world(monkeypatch, request_timeout_seconds=0.5) as world:
        requests = world.upstream.requests_seen
        async with http2.connect(world.app.address) as caller:
            half = http2.message(1, MESSAGE, length=2 * len(MESSAGE), end=False)
            await caller.send(http2.call(1, method), half * parts)
            await within(5, "the call is counted", lambda: waiting(world) == 1)
            await caller.status(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
            assert waiting(world) == 0
        assert world.upstream.requests_seen == requests
        await world.check_all([TIMEOUT] if method == SEND else [])


async def test_row_47_a_message_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that arrives while its call waits is answered."""
    async with open_world(monkeypatch, request_timeout_seconds=HOUR) as world:
        async with http2.connect(world.app.address) as caller:
            await caller.send(http2.call(1))
            await within(5, "the call is counted", lambda: waiting(world) == 1)
            await caller.send(http2.message(1, MESSAGE))
            await caller.status(grpc.StatusCode.OK.value[0])
        await world.check(*OK)


async def test_row_47_the_caller_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that leaves before its message leaves nothing behind, and counts as no failure."""
    async with open_world(monkeypatch, request_timeout_seconds=HOUR) as world:
        async with http2.connect(world.app.address) as caller:
            await caller.send(http2.call(1), http2.call(3))
            await within(5, "the calls are counted", lambda: waiting(world) == 2)
            await caller.send(http2.reset(1))
            await within(5, "the call has ended", lambda: waiting(world) == 1)
        await within(5, "the call has ended", lambda: waiting(world) == 0)
        await world.check_all([])


async def test_row_47_no_more_in_all_than_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting calls are limited in number; those that have waited longest are ended first."""
    monkeypatch.setattr(components, "MIN_HELD_CALLS", 20)
    async with open_world(monkeypatch, request_timeout_seconds=HOUR, max_streams=20) as world:
        async with (
            http2.connect(world.app.address) as caller,
            http2.connect(world.app.address) as other,
        ):
            await caller.send(*map(http2.call, range(1, 61, 2)))
            await other.send(*map(http2.call, range(1, 61, 2)))
            await within(5, "all but 20 ended", lambda: ended(world) + waiting(world) == 60)
            assert 0 < waiting(world) <= 20
            for _ in range(5):
                _, error = await world.ended(world.send())
                assert error is None
            await caller.status(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
        await within(5, "the calls have ended", lambda: waiting(world) == 0)
        await world.check_all([TIMEOUT] * int(ended(world)) + [OK] * 5)


def ended(world: World) -> float:
    """Return the number of calls that ended because their message did not arrive."""
    labels = {"grpc_code": TIMEOUT[0].name, "reason": TIMEOUT[1]}
    return sample(world.metrics(), "tokenwire_errors_total", **labels) or 0


async def test_row_35_a_crowd_at_a_small_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred calls at once to a server with one slot are each answered or rejected."""
    async with open_world(monkeypatch, max_streams=1, max_queue=0) as world:
        calls = await asyncio.gather(*(world.ended(world.send()) for _ in range(100)))
        endings = [OK if error is None else (error.code(), reason_of(error)) for _, error in calls]
        assert set(endings) <= {OK, (grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVER_OVERLOADED")}
        await world.check_all(endings)


async def test_row_47_health_is_checked_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Health checks without a message do not prevent the answer to a complete one."""
    monkeypatch.setattr(components, "MIN_HELD_CALLS", 5)
    async with open_world(monkeypatch, request_timeout_seconds=HOUR, max_streams=5) as world:
        async with http2.connect(world.app.address) as caller:
            await caller.send(*(http2.call(each, CHECK) for each in range(1, 101, 2)))
            await within(5, "they wait", lambda: waiting(world) == 5)
            check: Any = world.channel.unary_unary(
                CHECK, response_deserializer=health_pb2.HealthCheckResponse.FromString
            )
            assert (await check(b"")).status == health_pb2.HealthCheckResponse.SERVING
        await world.check_all([])
