"""Rows 31 and 32: the caller cancels, or its deadline passes."""

import asyncio
import json
import math
import time

import grpc
import pytest

from support.app import MODEL
from support.helpers import sample, scrape
from support.leaving import PHASES, Visit, promptly
from support.listening import listening
from support.raw_upstream import RawUpstream
from support.waiting import count_descriptors, within
from support.world import World, open_world
from tokenwire.core.call_record import CallRecord
from tokenwire.core.errors import SlowConsumer

CANCELLED = grpc.StatusCode.CANCELLED
DEADLINE_EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED


async def tokens_counted(world: World) -> float:
    """Return the number of output tokens, according to the metrics."""
    labels = {"gen_ai_request_model": MODEL, "gen_ai_token_type": "output"}
    return sample(await scrape(world.app), "tokenwire_tokens_total", **labels) or 0


@pytest.mark.parametrize("phase", PHASES)
async def test_row_31_cancel(world: World, phase: str) -> None:
    """A cancellation, in any phase, closes the upstream connection within 50 ms."""
    tokens = 0

    async def leave() -> float:
        nonlocal tokens
        before = await tokens_counted(world)
        visit = Visit(world, phase)
        call = world.send()
        await visit.reached(call)
        call.cancel()
        seconds = await visit.seconds_open_after(time.monotonic())
        await world.check(CANCELLED)
        counted = await tokens_counted(world) - before
        assert counted == visit.tokens or (phase == "blocked-in-write" and counted > visit.tokens)
        return seconds

    await promptly(leave)


@pytest.mark.parametrize("phase", PHASES)
async def test_row_32_deadline(world: World, phase: str) -> None:
    """The caller's deadline, in any phase, closes the upstream connection within 50 ms."""

    async def leave() -> float:
        before = await tokens_counted(world)
        visit = Visit(world, phase)
        deadline = time.monotonic() + 1.234
        call = world.send(timeout=1.234)
        await visit.reached(call)
        assert time.monotonic() < deadline
        seconds = await visit.seconds_open_after(deadline)
        assert await call.code() is DEADLINE_EXCEEDED
        await world.at_rest()
        entries = map(json.loads, world.log.getvalue().splitlines())
        [*_, code] = [each["code"] for each in entries if each["event"] == "call ended"]
        await world.check(grpc.StatusCode[code])
        counted = await tokens_counted(world) - before
        assert counted == visit.tokens or (phase == "blocked-in-write" and counted > visit.tokens)
        # On a busy machine, the caller's clock may start so much earlier than the server's
        # that the deadline looks like a cancellation.
        return seconds if code == "DEADLINE_EXCEEDED" else math.inf

    await promptly(leave)


async def test_row_31_tokens_whose_write_is_blocked(world: World) -> None:
    """A token whose write is blocked when its reader leaves is counted, because it was received."""
    before = await tokens_counted(world)
    steps = [f"big-delta 900kB; barrier token-{number}" for number in range(30)]
    world.upstream.script("; ".join(steps))
    call = world.send()
    for number in range(len(steps)):
        await world.upstream.barrier(f"token-{number}").reached()
        # Allow time to read the token, because a blocked write cannot be observed.
        await asyncio.sleep(0.1)
        [watchdog] = world.app.components.outcome._running
        if watchdog._error is SlowConsumer:
            break
        world.upstream.barrier(f"token-{number}").release()
    call.cancel()
    await world.check(CANCELLED)
    assert await tokens_counted(world) - before == number + 1


@pytest.mark.parametrize("ending", [CANCELLED, DEADLINE_EXCEEDED])
async def test_rows_31_and_32_in_the_queue(
    monkeypatch: pytest.MonkeyPatch, ending: grpc.StatusCode
) -> None:
    """A caller that leaves the queue has caused no upstream request, and holds no slot."""
    async with open_world(monkeypatch, max_streams=1, queue_timeout_seconds=30) as world:
        visit = Visit(world, "before-headers")
        first = world.send()
        await visit.reached()
        requests = world.upstream.requests_seen
        queued = world.send(timeout=0.3 if ending is DEADLINE_EXCEEDED else None)
        registry = world.app.metrics.registry
        length = "tokenwire_queue_length"
        await within(10, "queued", lambda: registry.get_sample_value(length) == 1)
        if ending is CANCELLED:
            queued.cancel()
        assert await queued.code() is ending
        await within(10, "not queued", lambda: registry.get_sample_value(length) == 0)
        assert world.upstream.requests_seen == requests
        first.cancel()
        await visit.seconds_open_after(time.monotonic())
        await world.check_all([(ending, ""), (CANCELLED, "")])
        await world.succeeds("answer")


async def test_row_31_while_the_prompt_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelling while the upstream does not read the rest of the prompt closes its connection."""
    taken, over = asyncio.Event(), asyncio.Event()
    well_behaved = RawUpstream()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if well_behaved.pieces:
            await well_behaved.answer(reader, writer)
            well_behaved.pieces = ()
            return
        taken.set()
        await over.wait()
        writer.transport.abort()

    async with (
        listening(serve) as (host, port),
        open_world(
            monkeypatch,
            base_url=f"http://{host}:{port}/v1",
            max_request_bytes=64 << 20,
            max_text_bytes=64 << 20,
        ) as world,
    ):
        before = count_descriptors()
        call = world.send("x" * 20_000_000)
        await taken.wait()
        # Allow time to fill the buffers, because a blocked write cannot be observed.
        await asyncio.sleep(0.2)
        assert count_descriptors() == before + 2
        call.cancel()
        await within(10, "our side closed", lambda: count_descriptors() == before + 1)
        over.set()
        await world.check(CANCELLED)


async def test_row_31_cancel_9_s_before_a_deadline_of_15_minutes(world: World) -> None:
    """A cancellation long before the deadline is CANCELLED, however long the deadline is."""
    begun: list[CallRecord] = []
    world.app.components.outcome._on_start = begun.append
    visit = Visit(world, "mid-stream")
    call = world.send(timeout=9)
    await visit.reached(call)
    # Pretend that the call began earlier.
    begun[0].started -= 900 - 9
    call.cancel()
    await visit.seconds_open_after(0)
    await world.check(CANCELLED)


async def test_row_32_deadline_before_the_call_begins(world: World) -> None:
    """Calls whose deadline passes as they begin cause no warning in the log."""
    timeouts = [0.004 + 0.0004 * step for step in range(50)]
    for _ in range(10):
        await asyncio.gather(*(world.ended(world.send(timeout=each)) for each in timeouts))
    await world.at_rest()
    levels = {json.loads(line)["level"] for line in world.log.getvalue().splitlines()}
    assert levels <= {"info", "debug"}
