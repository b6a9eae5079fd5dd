"""Row 31: a call closes its own resources; none is left to the garbage collector."""

import gc
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from support.leaving import PHASES, Visit, promptly
from support.world import World

CANCELLED = grpc.StatusCode.CANCELLED

FLOOD = f"filler 100000 {'x' * 500}"


@contextmanager
def nothing_collected() -> Iterator[list[str]]:
    """Disable the garbage collector; yield the list of async generators that were not closed.

    Meanwhile, the finalizer of the event loop, which would close them, is replaced.
    """
    forgotten: list[str] = []

    def finalize(generator: AsyncGenerator[Any, Any]) -> None:
        forgotten.append(repr(generator))

    hooks = sys.get_asyncgen_hooks()
    gc.collect()
    gc.disable()
    sys.set_asyncgen_hooks(hooks.firstiter, finalize)
    try:
        yield forgotten
    finally:
        sys.set_asyncgen_hooks(*hooks)
        gc.enable()


@pytest.mark.parametrize("phase", PHASES)
async def test_row_31_without_the_collector(world: World, phase: str) -> None:
    """Without the garbage collector, the upstream connection closes as fast; nothing stays open."""

    async def leave() -> float:
        visit = Visit(world, phase)
        call = world.send()
        await visit.reached(call)
        with nothing_collected() as forgotten:
            call.cancel()
            seconds = await visit.seconds_open_after(time.monotonic())
            await world.check(CANCELLED)
        assert forgotten == []
        return seconds

    await promptly(leave)


@pytest.mark.parametrize(
    "plan",
    [
        "tokens 3; finish; usage; done",
        "tokens 3; finish; stall",
        "tokens 3; finish; reset",
        "tokens 3; reset",
        "tokens 3; done",
        "tokens 3; bad-json; answer",
        "tokens 3; big-delta 10MB; answer",
        "finish content_filter; done",
        "status 500",
        "gzip-bomb",
    ],
)
async def test_row_31_every_ending_without_the_collector(world: World, plan: str) -> None:
    """However an answer ends, all its resources are closed."""
    world.upstream.script(plan)
    with nothing_collected() as forgotten:
        await world.ended(world.send())
        await world.at_rest()
    assert forgotten == []


@pytest.mark.parametrize("start", ["tokens 3", "tokens 3; finish"])
async def test_row_31_leaving_while_text_waits(world: World, start: str) -> None:
    """All resources are closed if the caller leaves while text is waiting to be sent to it."""
    world.upstream.script(f"{start}; {FLOOD}")
    with nothing_collected() as forgotten:
        call = world.send()
        await call.read()
        call.cancel()
        await world.check(CANCELLED)
    assert forgotten == []
