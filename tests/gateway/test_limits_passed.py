"""Ways around the limits of callers: none lets a caller use more than they allow."""

import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.test_limit_store_failures import AbsentStore
from gateway.test_limits import limited, refused, send
from support.gateway import HELLO
from support.helpers import collect, failure_of, reason_of
from support.limits import bearer, lease_of, limit_of, used_by_team
from tokenwire.core.errors import CallerBudgetExhausted
from tokenwire.core.limits import CallerLimits, Unit, Window
from tokenwire.core.prices import MAX_NANODOLLARS
from tokenwire.limits.entries import EntryKind, Held, LeaseEntry, Totals
from tokenwire.limits.memory import MemoryStore
from tokenwire.limits.session import ignore_answer
from tokenwire.limits.shared import SharedLeases, ignore_lost
from tokenwire.v1 import chatgpt_pb2 as pb


async def test_a_silent_call_stays_a_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call whose answer has said nothing for minutes is still one of the calls at once."""
    async with limited(tmp_path, streams=1) as world:
        upstream = world.upstreams["one"]
        upstream.script("barrier long; answer")
        call = world.stub.Send(HELLO, metadata=bearer())
        await upstream.barrier("long").reached(1)
        now = time.time
        monkeypatch.setattr("time.time", lambda: now() + 120)
        assert limit_of(await refused(world)) == "streams"
        upstream.barrier("long").release()
        await collect(call)
        assert used_by_team(world) == {"streams": 0}


async def test_more_than_the_most_tokens(tmp_path: Path) -> None:
    """An answer is cut by a limit, although it was to end long before."""
    async with limited(tmp_path, tokens="300/d") as world:
        world.upstreams["one"].script('filler 10000 "word "; finish; usage 20 10000; done')
        message = pb.Message(content="hello", params=pb.Params(max_tokens=1))
        _, error = await failure_of(world.stub.Send(message, metadata=bearer()))
        assert reason_of(error) == "CALLER_BUDGET_EXHAUSTED"


async def test_an_absurd_usage(tmp_path: Path) -> None:
    """An upstream that reports more tokens than there can be ends no answer, only the budget."""
    async with limited(tmp_path, dollars="9/d") as world:
        most = 2**53
        [*_, last] = await send(world, f"tokens 10; finish; usage {most} {most}; done")
        assert last.usage.output_tokens == most
        assert last.usage.cost_nanodollars == MAX_NANODOLLARS
        assert limit_of(await refused(world)) == "dollars/d"


async def test_a_fast_answer_without_the_store() -> None:
    """While the store is away, an answer is cut within a slice, however fast it is."""
    limits = CallerLimits(windows=(Window(Unit.TOKENS, 1_000, "d"),))
    shared = SharedLeases(
        AbsentStore(), MemoryStore(), refuse=False, on_answer=ignore_answer, on_lost=ignore_lost
    )
    lease = lease_of("team", limits, shared)
    assert await shared.take(lease) is None
    for _ in range(1_000 - 256):
        lease.add(1)
    with pytest.raises(CallerBudgetExhausted):
        deque(map(lease.add, [1] * 512))


async def test_usage_that_is_reported_meanwhile(tmp_path: Path) -> None:
    """Tokens that the upstream reports before the end, such as hidden ones, cut the answer too."""
    async with limited(tmp_path, tokens="1000/d") as world:
        upstream = world.upstreams["one"]
        upstream.script("usage 20 5000; tokens 2; barrier read; tokens 2; stall")

        async def answers() -> AsyncIterator[pb.Answer]:
            async for answer in world.stub.Send(HELLO, metadata=bearer()):
                yield answer
                upstream.barrier("read").release()

        _, error = await failure_of(answers())
        assert reason_of(error) == "CALLER_BUDGET_EXHAUSTED"
        assert used_by_team(world) == {"tokens/d": 5020}


async def test_a_complete_answer_is_not_cut(tmp_path: Path) -> None:
    """An answer whose end brings its tokens is complete, and the next call is refused."""
    async with limited(tmp_path, tokens="1000/d") as world:
        await send(world, "tokens 2; usage 20 5000; finish; done")
        assert used_by_team(world) == {"tokens/d": 5020}
        await refused(world)


def test_a_correction_after_midnight() -> None:
    """An upstream that reports less than was counted before midnight gives no room to the day."""
    midnight = 1_798_761_600.0
    limits = CallerLimits(windows=(Window(Unit.TOKENS, 1_000, "d"),))
    store = MemoryStore()
    for number, kind, output_tokens, now in (
        (1, EntryKind.TAKE, 0, midnight - 20),
        (2, EntryKind.RENEW, 900, midnight - 10),
        (3, EntryKind.SETTLE, 100, midnight + 10),
    ):
        totals = Totals(output_tokens=output_tokens)
        entry = LeaseEntry(kind, "a-lease", number, midnight - 20, None, totals, Held())
        assert store.apply("team", limits, [entry], now) == [None]
    assert store.used("team", limits, midnight + 10) == {"tokens/d": 0}


def test_a_lease_that_comes_after_its_end() -> None:
    """A call that was not let through counts nothing, in whatever order the store learns of it."""
    limits = CallerLimits(5, (Window(Unit.REQUESTS, 10, "d"), Window(Unit.TOKENS, 1_000, "d")))
    store = MemoryStore(expires=True)
    drop = LeaseEntry(EntryKind.DROP, "a-lease", 2, 0.0, None, Totals(), Held())
    take = LeaseEntry(EntryKind.TAKE, "a-lease", 1, 0.0, None, Totals(30), Held(256))
    for entry in (drop, take):
        assert store.apply("team", limits, [entry], 1_798_761_600.0) == [None]
    used = store.used("team", limits, 1_798_761_600.0)
    assert used == {"streams": 0, "requests/d": 0, "tokens/d": 0}
