"""The script for Redis does what the store in memory does, whatever the history."""

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.redis_server import RedisServer
from tokenwire.core.limits import CallerLimits, Unit, Window
from tokenwire.limits.entries import ENDS, EntryKind, Held, LeaseEntry, LimitRefusal, Totals
from tokenwire.limits.memory import MemoryStore
from tokenwire.limits.redis_store import RedisStore
from tokenwire.limits.store import Batch

pytestmark = [pytest.mark.tools, pytest.mark.timeout(180)]

BEGIN: Final = 1_798_761_540.0
"""A minute before the year 2027."""
LIMITS: Final = (
    CallerLimits(3, (Window(Unit.TOKENS, 1_000, "m"),)),
    CallerLimits(None, (Window(Unit.REQUESTS, 4, "m"), Window(Unit.TOKENS, 2_000, "d"))),
    CallerLimits(
        4,
        (
            Window(Unit.TOKENS, 900, "s"),
            Window(Unit.TOKENS, 3_000, "h"),
            Window(Unit.DOLLARS, 2_000, "month"),
            Window(Unit.DOLLARS, 900, "m"),
        ),
    ),
)
PAUSES: Final = (0.0, 0.0, 0.0, 1 / 64, 0.5, 1.0, 3.25, 20.0, 59.0, 60.0, 61.5, 4_000.0)


@dataclass
class CallState:
    """What a call has told a store."""

    id: str
    number: int = 0
    started: float = 0.0
    totals: Totals = field(default_factory=Totals)
    known: Totals | None = None
    last: LeaseEntry | None = None


step = st.tuples(
    st.sampled_from(PAUSES),
    st.integers(0, 5),
    st.sampled_from(
        ["take", "take", "renew", "renew", "renew", "settle", "drop", "repeat", "forgotten"]
    ),
    st.integers(-80, 300),
    st.integers(-30, 300),
    st.sampled_from([0, 20, 256]),
)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """Yield an event loop for all examples."""
    with asyncio.Runner() as running:
        yield running


@pytest.fixture(scope="module")
def server(
    runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisServer]:
    """Run a Redis."""
    redis = RedisServer(tmp_path_factory.mktemp("redis"))
    runner.run(redis.start())
    yield redis
    runner.run(redis.kill())


def entry_of(call: CallState, kind: str, inputs: int, outputs: int, held: int) -> LeaseEntry | None:
    """Return the next entry of a call; None if it has nothing to say."""
    if kind == "repeat":
        return call.last
    call.number += 1
    before = call.totals
    call.totals = Totals(
        max(before.input_tokens + inputs, 0),
        max(before.input_nanodollars + inputs // 2, 0),
        max(before.output_tokens + outputs, 0),
        max(before.output_nanodollars + outputs // 2, 0),
    )
    kinds = {"take": EntryKind.TAKE, "settle": EntryKind.SETTLE, "drop": EntryKind.DROP}
    known = None if kind == "forgotten" else call.known
    chosen = kinds.get(kind, EntryKind.RENEW)
    holds = Held() if chosen in ENDS else Held(held, held // 2)
    call.last = LeaseEntry(chosen, call.id, call.number, call.started, known, call.totals, holds)
    return call.last


def same(one: LimitRefusal | None, other: LimitRefusal | None) -> bool:
    """Report whether two refusals are the same, to the millisecond."""
    if one is None or other is None or one.retry_after is None or other.retry_after is None:
        return one == other
    milliseconds = math.ceil(one.retry_after * 1000)
    return one.limit == other.limit and abs(milliseconds - other.retry_after * 1000) <= 1


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(limits=st.sampled_from(LIMITS), history=st.lists(st.lists(step, max_size=4), max_size=12))
def test_any_history(
    runner: asyncio.Runner,
    server: RedisServer,
    limits: CallerLimits,
    history: list[list[tuple[float, int, str, int, int, int]]],
) -> None:
    """After every batch both stores refuse the same entries and count the same."""

    async def compare() -> None:
        now = BEGIN
        memory = MemoryStore(expires=True)
        store = RedisStore(server.url, lambda: now)
        calls = [CallState(str(number)) for number in range(6)]
        async with server.client() as client, aclosing(store):
            await client.flushall()
            for steps in history:
                entries: list[LeaseEntry] = []
                for pause, number, kind, inputs, outputs, held in steps:
                    now += pause
                    calls[number].started = calls[number].started or now
                    entry = entry_of(calls[number], kind, inputs, outputs, held)
                    if entry:
                        entries.append(entry)
                expected = memory.apply("team", limits, entries, now)
                [reply] = await store.apply([Batch("team", limits, entries)])
                assert all(map(same, expected, reply.refusals)), (expected, reply)
                assert reply.used == memory.used("team", limits, now)
                for entry, refusal in zip(entries, expected, strict=True):
                    if refusal is None:
                        calls[int(entry.lease)].known = entry.totals

    runner.run(compare())


@pytest.mark.parametrize("skew", [-86_000, 86_000], ids=["behind", "ahead"])
def test_clocks_that_differ(
    runner: asyncio.Runner, server: RedisServer, skew: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers whose clocks differ by almost a day count in the same day, that of the store."""
    limits = CallerLimits(
        windows=tuple(Window(Unit.TOKENS, 1_000, name) for name in ("d", "month"))
    )
    now = time.time

    async def used_after(lease: str) -> dict[str, int]:
        async with aclosing(RedisStore(server.url)) as store:
            entry = LeaseEntry(EntryKind.TAKE, lease, 1, now(), None, Totals(30), Held())
            [reply] = await store.apply([Batch("skewed", limits, [entry])])
            return dict(reply.used)

    async def count() -> None:
        async with server.client() as client:
            await client.flushall()
        await used_after("one")
        monkeypatch.setattr("time.time", lambda: now() + skew)
        await used_after("two")
        monkeypatch.setattr("time.time", now)
        assert await used_after("three") == {"tokens/d": 90, "tokens/month": 90}

    runner.run(count())
