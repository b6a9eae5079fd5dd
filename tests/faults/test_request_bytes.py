"""Row 35: the bytes of all requests in memory are limited, and released as early as possible."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import pytest

from faults.test_admission import OK, OVERLOADED, hold, let_go, queue_length, queued
from support.helpers import reason_of, retry_delay_of
from support.memory import MB
from support.raw_upstream import ANSWER, HEAD, RawUpstream, raw_upstream
from support.request_bytes import send_bytes
from support.waiting import within
from support.world import PROMPT, SYSTEM, World, open_world
from tokenwire.v1 import chatgpt_pb2 as pb

SIZE: Final = len(pb.Message(content=PROMPT, system=SYSTEM).SerializeToString())
"""The size of the request of `World.send`."""
LEAST: Final = 1_024
"""The lowest limit that the settings allow."""
LIMITS: Final = {"max_request_bytes": LEAST, "max_request_bytes_in_flight": LEAST}
FIRST, REST = ANSWER[: ANSWER.index(b": a comment")], ANSWER[ANSWER.index(b": a comment") :]


def bytes_in_flight(world: World) -> float | None:
    return world.app.metrics.registry.get_sample_value("tokenwire_request_bytes_in_flight")


def large(size: int) -> bytes:
    """Return a request of `size` bytes."""
    request = pb.Message(content="x" * (size - 3)).SerializeToString()
    assert len(request) == size
    return request


async def rejected(world: World, request: bytes) -> None:
    """Check that a call is rejected at once and causes no upstream request."""
    requests = world.upstream.requests_seen
    answers, error = await send_bytes(world, request)
    assert answers == []
    assert error is not None
    assert (error.code(), reason_of(error)) == OVERLOADED
    assert retry_delay_of(error) == 1
    assert world.upstream.requests_seen == requests


async def test_row_35_over_the_bytes_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request over the remaining bytes is rejected; one that fits is answered."""
    async with open_world(monkeypatch, **LIMITS) as world:
        await world.warm_up(2)
        [held] = await hold(world, 1)
        assert bytes_in_flight(world) == SIZE
        await rejected(world, large(LEAST - SIZE + 1))
        world.upstream.script("answer")
        _, error = await send_bytes(world, large(LEAST - SIZE))
        assert error is None
        await let_go(world, [held])
        await within(10, "nothing is held", lambda: bytes_in_flight(world) == 0)
        _, error = await send_bytes(world, large(LEAST))
        assert error is None
        await world.check_all([OK] * 3 + [OVERLOADED])


async def test_row_35_bytes_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request of a queued call counts like the others."""
    limits = {"max_streams": 1, "max_queue": 3, "queue_timeout_seconds": 30}
    async with open_world(monkeypatch, **LIMITS, **limits) as world:
        held = await hold(world, 1)
        waiting = await queued(world, 1, "x" * (LEAST - 2 * SIZE))
        await rejected(world, large(LEAST - SIZE))
        assert queue_length(world) == 1
        await let_go(world, [*held, waiting])
        await world.check_all([OK] * 2 + [OVERLOADED])


@pytest.mark.parametrize("plan", ["answer", "status 500", "tokens 1; reset", "stall"])
async def test_row_35_bytes_never_leak(world: World, plan: str) -> None:
    """However a call ends, the bytes of its request are released."""
    world.upstream.script(plan, plan)
    await world.ended(world.send(timeout=0.2 if plan == "stall" else None))
    await within(10, "nothing is held", lambda: bytes_in_flight(world) == 0)


@pytest.fixture
def _traced() -> Iterator[None]:
    gc.collect()
    gc.disable()
    tracemalloc.start()
    yield
    tracemalloc.stop()
    gc.enable()


@pytest.fixture
async def raw() -> AsyncIterator[RawUpstream]:
    async with raw_upstream() as upstream:
        yield upstream


@pytest.mark.usefixtures("_traced")
async def test_row_35_what_is_sent_is_let_go(
    monkeypatch: pytest.MonkeyPatch, raw: RawUpstream
) -> None:
    """After its answer has begun, a call holds no more of its request than gRPC does."""
    calls, over = 4, asyncio.Event()
    # Its text takes four times the memory, and its JSON five times.
    request = pb.Message(content="\U0001f600" + "\x01" * (MB - 10)).SerializeToString()
    async with open_world(monkeypatch, base_url=raw.base_url) as world:
        raw.pieces = (HEAD, FIRST, over, REST)
        before, _ = tracemalloc.get_traced_memory()
        running = [begin(world, request) for _ in range(calls)]
        for call in running:
            assert (await anext(call.__aiter__())).content
        after, peak = tracemalloc.get_traced_memory()
        over.set()
        for call in running:
            _, error = await world.ended(call)
            assert error is None
    assert after - before <= 1.2 * calls * MB
    assert peak - before <= 6.5 * calls * MB


def begin(world: World, request: bytes) -> Any:
    """Begin a call whose request is these bytes."""
    send: Any = world.channel.unary_stream(
        "/openai.Chatgpt/Send", response_deserializer=pb.Answer.FromString
    )
    return send(request)
