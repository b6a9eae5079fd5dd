"""The limits of the service for every unary method: rows 35 to 41 and 45 to 47."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from faults.test_admission import LONG, hold, let_go, queue_length
from faults.test_drain import draining
from support import http2
from support.helpers import reason_of, retry_delay_of
from support.memory import MB
from support.methods import ALL, ASKING, SETTINGS, UnaryMethod, failed
from support.unary import error_of
from support.waiting import within
from support.world import World, assert_clean, open_world
from tokenwire.server.relay import Relay

DEADLINE_EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
OK = (grpc.StatusCode.OK, "")
OVERLOADED = (EXHAUSTED, "SERVER_OVERLOADED")
SHUTTING_DOWN = (UNAVAILABLE, "SERVER_SHUTTING_DOWN")
HOUR = 3_600


@pytest.fixture(params=ALL, ids=str)
def method(request: pytest.FixtureRequest) -> UnaryMethod:
    found: UnaryMethod = request.param
    return found


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with open_world(monkeypatch, **SETTINGS) as opened:
        yield opened


async def rejection_seconds(world: World, method: UnaryMethod) -> float:
    """Make a call that must be rejected; return how long its caller waited for the status."""
    started = time.monotonic()
    error = await error_of(method.call(world.stub))
    seconds = time.monotonic() - started
    assert (error.code(), reason_of(error)) == OVERLOADED
    assert retry_delay_of(error) == 1
    assert_clean(error.details(), error.trailing_metadata())
    return seconds


async def test_row_35_over_the_limit(monkeypatch: pytest.MonkeyPatch, method: UnaryMethod) -> None:
    """A call over the limit is rejected within 50 ms and asks nothing upstream."""
    async with open_world(monkeypatch, **SETTINGS, max_streams=1, max_queue=0) as world:
        held = await hold(world, 1)
        requests = world.upstream.requests_seen
        assert min([await rejection_seconds(world, method) for _ in range(5)]) <= 0.05
        assert world.upstream.requests_seen == requests
        await let_go(world, held)
        await world.check_all([OK] + [OVERLOADED] * 5)


async def test_row_35_in_the_queue(monkeypatch: pytest.MonkeyPatch, method: UnaryMethod) -> None:
    """A call waits for a slot and is then answered; one whose deadline passes leaves the queue."""
    async with open_world(monkeypatch, **SETTINGS, **LONG) as world:
        held = await hold(world, 1)
        waiting = asyncio.ensure_future(method.call(world.stub))
        await within(5, "in the queue", lambda: queue_length(world) == 1)
        late = await error_of(method.call(world.stub, timeout=0.2))
        assert late.code() is DEADLINE_EXCEEDED
        await within(10, "the late one left", lambda: queue_length(world) == 1)
        leaving = method.call(world.stub)
        await within(5, "both in the queue", lambda: queue_length(world) == 2)
        leaving.cancel()
        await within(10, "one left", lambda: queue_length(world) == 1)
        await let_go(world, held)
        await waiting
        await world.check_all([OK, OK, (DEADLINE_EXCEEDED, ""), (grpc.StatusCode.CANCELLED, "")])


async def test_row_35_the_queues_time(monkeypatch: pytest.MonkeyPatch, method: UnaryMethod) -> None:
    """A queued call is rejected when queue_timeout_seconds has passed, and not earlier."""
    limits = {"max_streams": 1, "max_queue": 1, "queue_timeout_seconds": 0.2}
    async with open_world(monkeypatch, **SETTINGS, **limits) as world:
        held = await hold(world, 1)
        assert await rejection_seconds(world, method) >= 0.2
        await let_go(world, held)
        await world.check_all([OK, OVERLOADED])


@pytest.mark.parametrize("asking", ASKING, ids=str)
async def test_row_35_a_call_takes_a_slot(
    monkeypatch: pytest.MonkeyPatch, asking: UnaryMethod
) -> None:
    """A call that waits for the upstream has a slot, which a stream then lacks."""
    async with open_world(monkeypatch, **SETTINGS, max_streams=1, max_queue=0) as world:
        world.upstream.script("barrier held; answer")
        running = asyncio.ensure_future(asking.call(world.stub))
        await world.upstream.barrier("held").reached()
        _, error = await world.ended(world.send())
        assert error is not None
        assert (error.code(), reason_of(error)) == OVERLOADED
        world.upstream.barrier("held").release()
        await running
        await world.check_all([OK, OVERLOADED])


async def test_row_35_over_the_bytes_in_flight(
    monkeypatch: pytest.MonkeyPatch, method: UnaryMethod
) -> None:
    """A request over the remaining bytes is rejected, and the bytes of an ended call are free."""
    limits = {"max_request_bytes": 8_192, "max_request_bytes_in_flight": 8_192}
    async with open_world(monkeypatch, **SETTINGS, **limits) as world:
        world.upstream.script("barrier hold; answer")
        held = [asyncio.create_task(world.ended(world.send("x" * 1_000)))]
        await world.upstream.barrier("hold").reached()
        call = bytes_call(world, method, unknown_field(8_000))
        assert await failed(call) == OVERLOADED
        await let_go(world, held)
        await method.call(world.stub)
        held_bytes = "tokenwire_request_bytes_in_flight"
        registry = world.app.metrics.registry
        await within(10, "nothing held", lambda: registry.get_sample_value(held_bytes) == 0)
        await world.check_all([OK, OK, OVERLOADED])


def unknown_field(size: int) -> bytes:
    """Return a field of this size of a later version of the contract."""
    content = b"x" * (size - 4)
    return b"\xfa\x07" + bytes([0x80 | len(content) & 0x7F, len(content) >> 7]) + content


def bytes_call(world: World, method: UnaryMethod, request: bytes) -> Any:
    """Start a call whose request is these bytes."""
    call: Any = world.channel.unary_unary(method.path)
    return call(request)


MALFORMED = {
    "garbage": b"\xde\xad\xbe\xef" * 8,
    "a length beyond the end": b"\x12\xff\xff\xff\xff\x07canary",
    "an endless number": b"\x10" + b"\xff" * 16,
    "nested without an end": b"\x4b" * 50,
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
async def test_row_36_malformed_request(world: World, method: UnaryMethod, request_: bytes) -> None:
    """Bytes that are no request are MALFORMED_REQUEST, without a traceback."""
    requests = world.upstream.requests_seen
    ending = (INVALID_ARGUMENT, "MALFORMED_REQUEST")
    assert await failed(bytes_call(world, method, request_)) == ending
    assert world.upstream.requests_seen == requests
    await world.check(*ending)


async def test_row_36_fields_of_a_later_version(world: World, method: UnaryMethod) -> None:
    """A request with an unknown field is answered."""
    request = method.request.SerializeToString() + unknown_field(100)
    assert await bytes_call(world, method, request) is not None
    await world.check(*OK)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_row_39_oversize_request(world: World, method: UnaryMethod, encoding: str) -> None:
    """A request over the size limit, or one that unpacks to more, is RESOURCE_EXHAUSTED."""
    requests = world.upstream.requests_seen
    content = bytes(21 * MB)
    packed = encoding == "gzip"
    if packed:
        packer = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
        content = packer.compress(bytes(60 * MB)) + packer.flush()
    async with http2.connect(world.app.address) as connection:
        await connection.send(
            http2.call(1, method.path, encoding=encoding),
            http2.message(1, content, compressed=True)
            if packed
            else http2.message(1, b"canary", length=len(content)),
        )
        await connection.status(EXHAUSTED.value[0])
    assert world.upstream.requests_seen == requests
    await world.check_all([])


async def test_row_39_oversize_metadata(world: World, method: UnaryMethod) -> None:
    """Metadata over the limit is RESOURCE_EXHAUSTED."""
    error = await error_of(method.call(world.stub, metadata=(("x-large", "c" * MB),)))
    assert error.code() is EXHAUSTED
    await world.check_all([])


async def test_row_46_half_closed_without_a_message(world: World, method: UnaryMethod) -> None:
    """A call that is half-closed without a message is INVALID_ARGUMENT."""
    async with http2.connect(world.app.address) as caller:
        await caller.send(http2.call(1, method.path, end=True))
        await caller.status(INVALID_ARGUMENT.value[0])
    await world.check(INVALID_ARGUMENT, "MALFORMED_REQUEST")


async def test_row_47_no_message(monkeypatch: pytest.MonkeyPatch, method: UnaryMethod) -> None:
    """A call whose message does not come in time is REQUEST_TIMEOUT."""
    async with open_world(monkeypatch, **SETTINGS, request_timeout_seconds=0.2) as world:
        async with http2.connect(world.app.address) as caller:
            await caller.send(http2.call(1, method.path))
            await caller.status(EXHAUSTED.value[0])
        await world.check(EXHAUSTED, "REQUEST_TIMEOUT")


async def test_row_40_before_the_listener_closes(
    monkeypatch: pytest.MonkeyPatch, method: UnaryMethod
) -> None:
    """Until the listener closes, calls are still answered."""
    async with open_world(monkeypatch, **SETTINGS, drain_seconds=HOUR) as world:
        async with draining(world):
            await method.call(world.stub)
        await world.check(*OK)


@pytest.mark.parametrize("asking", ASKING, ids=str)
async def test_row_41_the_grace_period(
    monkeypatch: pytest.MonkeyPatch, asking: UnaryMethod
) -> None:
    """A running call is completed within the grace period, and UNAVAILABLE after it."""
    for grace, ending in ((HOUR, OK), (0.3, SHUTTING_DOWN)):
        async with open_world(monkeypatch, **SETTINGS, grace_seconds=grace) as world:
            world.upstream.script("barrier held; answer")
            running = asyncio.ensure_future(asking.call(world.stub))
            await world.upstream.barrier("held").reached()
            async with draining(world) as drained:
                if ending == OK:
                    world.upstream.barrier("held").release()
                    await running
                else:
                    assert await failed(running) == ending
                await drained
            await world.check(*ending)


async def test_row_45_a_bug(monkeypatch: pytest.MonkeyPatch, method: UnaryMethod) -> None:
    """An exception in the handler is INTERNAL with a fixed text, and its own text stays out."""

    async def fail(*arguments: object) -> None:
        raise RuntimeError(f"canary {arguments}")

    async with open_world(monkeypatch, **SETTINGS) as world:
        with monkeypatch.context() as patched:
            patched.setattr(Relay, "_write_last", fail)
            ending = (grpc.StatusCode.INTERNAL, "INTERNAL")
            assert await failed(method.call(world.stub)) == ending
        assert "bug in handler" in world.log.getvalue()
        await world.check(*ending)
        await method.call(world.stub)
        await world.check(*OK)
