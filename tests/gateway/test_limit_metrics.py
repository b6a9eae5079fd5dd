"""What a scrape tells of callers' limits: used shares, rejections and leases."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.exposed import Exposed, read
from support.gateway import HELLO, GatewayWorld, gateway_world
from support.helpers import collect, ended
from support.limits import OTHER_KEY, bearer, callers, used_by_team
from tokenwire.cli.keys import hash_of
from tokenwire.core.limits import CallerLimits, Unit, Window
from tokenwire.limits.entries import EntryKind, Held, LeaseEntry, Totals
from tokenwire.limits.memory import MemoryStore

MODELS: dict[str, Any] = {"smart": {"routes": "one/b", "price": {"input": 1000, "output": 2000}}}
UPSTREAMS: dict[str, dict[str, Any]] = {"one": {}}
TEN = "tokens 10; finish; usage 20 10; done"
"""An answer that uses 30 tokens, or 4 cents."""
USED = "tokenwire_caller_limit_used_ratio"
REJECTIONS = "tokenwire_caller_limit_rejections_total"
LEASES = "tokenwire_limit_leases"
RATE, STREAMS, BUDGET = (
    f"CALLER_{reason}" for reason in ("RATE_LIMITED", "TOO_MANY_STREAMS", "BUDGET_EXHAUSTED")
)


@asynccontextmanager
async def limited(folder: Path, **limits: Any) -> AsyncIterator[GatewayWorld]:
    """Start a server whose caller `team` has limits."""
    async with gateway_world(folder, MODELS, UPSTREAMS, callers=callers(**limits)) as world:
        yield world


async def send(world: GatewayWorld, plan: str = TEN) -> None:
    """Make a call of `team`, however it ends."""
    world.upstreams["one"].script(plan)
    await ended(world.stub.Send(HELLO, metadata=bearer()))


def of(exposed: Exposed, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of a metric by those of its labels, in the order of the labels' names."""
    return {
        tuple(value for _, value in labels): number
        for (each, labels), number in exposed.values.items()
        if each == name
    }


async def test_the_used_share_of_each_limit(tmp_path: Path) -> None:
    """Each limit of a caller has its used share; callers without limits have none."""
    limits = {"streams": 4, "requests": "10/m", "tokens": "300/d", "dollars": "4/month"}
    async with limited(tmp_path, **limits) as world:
        await send(world)
        await collect(world.stub.Send(HELLO, metadata=bearer(OTHER_KEY)))
        assert of(await read(world.app), USED) == pytest.approx(
            {
                ("team", "streams"): 0,
                ("team", "requests/m"): 0.1,
                ("team", "tokens/d"): 0.1,
                ("team", "dollars/month"): 0.01,
            }
        )


async def test_running_calls_hold_leases(tmp_path: Path) -> None:
    """A running call has a lease, which counts until the call ends."""
    async with limited(tmp_path, streams=4) as world:
        upstream = world.upstreams["one"]
        upstream.script("tokens 1; barrier held; answer")
        running = asyncio.create_task(ended(world.stub.Send(HELLO, metadata=bearer())))
        await upstream.barrier("held").reached()
        exposed = await read(world.app)
        assert exposed.value(LEASES) == 1
        assert of(exposed, USED) == {("team", "streams"): 0.25}
        upstream.barrier("held").release()
        await running
        exposed = await read(world.app)
        assert exposed.value(LEASES) == 0
        assert of(exposed, USED) == {("team", "streams"): 0}


async def test_rejections_by_limit_and_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A call that a limit rejects or cuts counts once, by the limit; its log line names it."""
    caplog.set_level(logging.INFO, "tokenwire.call")
    limits = {"streams": 1, "requests": "4/h", "tokens": "1000/d"}
    async with limited(tmp_path, **limits) as world:
        upstream = world.upstreams["one"]
        before = of(await read(world.app), REJECTIONS)
        upstream.script("tokens 1; barrier held; answer")
        running = asyncio.create_task(ended(world.stub.Send(HELLO, metadata=bearer())))
        await upstream.barrier("held").reached()
        await ended(world.stub.Send(HELLO, metadata=bearer()))
        upstream.barrier("held").release()
        await running
        await send(world, 'filler 100000 "word "; finish; usage 20 100000; done')
        await upstream.wait_until_idle()
        await ended(world.stub.Send(HELLO, metadata=bearer()))
        rejections = of(await read(world.app), REJECTIONS)
    assert before == dict.fromkeys(rejections, 0)
    assert rejections == {
        ("team", "requests/h", RATE): 0,
        ("team", "streams", STREAMS): 1,
        ("team", "tokens/d", RATE): 1,
        ("team", "tokens/d", BUDGET): 1,
    }
    lines = [record for record in caplog.records if record.message == "call ended"]
    logged = [record.__dict__.get("limit") for record in lines]
    assert logged == ["streams", None, "tokens/d", "tokens/d"]


async def test_a_removed_limit_has_no_share(tmp_path: Path) -> None:
    """After a reload only the limits of the file have a share, and what was counted is kept."""
    async with limited(tmp_path, requests="1/h", streams=3) as world:
        await send(world)
        await send(world)
        world.write(MODELS, UPSTREAMS, callers(requests="2/h"))
        await world.reloaded()
        exposed = await read(world.app)
        assert of(exposed, USED) == {("team", "requests/h"): 0.5}
        assert of(exposed, REJECTIONS)["team", "requests/h", RATE] == 1


async def test_without_limits_nothing_is_exported(tmp_path: Path) -> None:
    """The metrics exist while a caller has limits, and there are none of a store without one."""
    unlimited = {"other": {"keys": [hash_of(OTHER_KEY)]}}
    async with gateway_world(tmp_path, MODELS, UPSTREAMS, callers=unlimited) as world:
        for limits, expected in (({}, set()), ({"streams": 1}, {USED, REJECTIONS, LEASES})) * 2:
            world.write(MODELS, UPSTREAMS, callers(**limits))
            await world.reloaded()
            names = {name for name, _ in (await read(world.app)).values if "limit_" in name}
            assert {each for each in names if "_limit_" in each} == expected


async def test_a_removed_caller_is_forgotten(tmp_path: Path) -> None:
    """A caller that was removed by a reload, and comes back, has used nothing."""
    async with limited(tmp_path, requests="9/h") as world:
        await send(world)
        world.write(MODELS, UPSTREAMS, callers(requests="10/h"))
        await world.reloaded()
        assert used_by_team(world) == {"requests/h": 1}
        world.write(MODELS, UPSTREAMS, {"other": {"keys": [hash_of(OTHER_KEY)]}})
        await world.reloaded()
        world.write(MODELS, UPSTREAMS, callers(requests="9/h"))
        await world.reloaded()
        assert used_by_team(world) == {"requests/h": 0}


async def test_a_call_of_a_removed_caller_ends_well(tmp_path: Path) -> None:
    """A call that runs while its caller is removed is answered, and leaves no lease."""
    async with limited(tmp_path, requests="9/h") as world:
        upstream = world.upstreams["one"]
        upstream.script("tokens 1; barrier held; answer")
        running = asyncio.create_task(ended(world.stub.Send(HELLO, metadata=bearer())))
        await upstream.barrier("held").reached()
        world.write(MODELS, UPSTREAMS, {"other": {"keys": [hash_of(OTHER_KEY)]}})
        await world.reloaded()
        upstream.barrier("held").release()
        _, error = await running
        assert error is None
        gateway = world.app.offer.gateway
        assert gateway
        assert gateway.limiter.running == 0


async def test_scrapes_and_calls_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Scrapes, which another thread renders, read what calls count at the same time."""
    async with limited(tmp_path, requests="1000/s", tokens="100000/m") as world:
        calls = asyncio.gather(*(send(world) for _ in range(40)))
        while not calls.done():
            await read(world.app)
        await calls
        assert of(await read(world.app), USED)["team", "tokens/m"] == pytest.approx(0.012)


@pytest.mark.parametrize("period", ["m", "d"])
def test_reading_changes_nothing(period: str) -> None:
    """What is used can be read at any time, without an effect on what is read later."""
    window = Window(Unit.TOKENS, 1_000, period)
    limits = CallerLimits(windows=(window,))
    store = MemoryStore()
    now = 1_000_000.0
    entry = LeaseEntry(EntryKind.TAKE, "a", 1, now, None, Totals(30), Held())
    store.apply("team", limits, [entry], now)
    for at, used in ((now, 30), (now + 100_000, 0), (now, 30)):
        assert store.used("team", limits, at) == {window.name: used}
    assert store.used("nobody", limits, now) == {window.name: 0}
