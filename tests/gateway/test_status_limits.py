"""The status of callers with limits: what they have used, in bounded size, and no secret."""

import asyncio
import re
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from support.gateway import HELLO, gateway_world
from support.helpers import collect
from support.limits import KEY, bearer, callers
from support.status import caller_status, process_status
from tokenwire.app import App
from tokenwire.cli.keys import hash_of
from tokenwire.core.limits import CallerLimits, Unit, Window
from tokenwire.limits.entries import EntryKind, Held, LeaseEntry, Totals
from tokenwire.limits.memory import MemoryStore
from tokenwire.observability.status import CallerStatus, LimitStatus, ProcessStatus
from tokenwire.observability.status.page import MAX_ROWS, render

MODELS: dict[str, Any] = {"smart": {"routes": "one/b", "price": {"input": 1000, "output": 2000}}}
TEN = "tokens 10; finish; usage 20 10; done"
"""An answer that uses 30 tokens for 4 cents."""


async def text_of(app: App, path: str) -> str:
    """Return a page of the metrics port."""
    async with httpx2.AsyncClient() as client:
        return (await client.get(f"http://{app.metrics_address}{path}")).text


async def test_it_has_the_limits_of_callers(tmp_path: Path) -> None:
    """Each caller with limits is there, with what is used of each; keys and hashes are not."""
    known = callers(streams=5, requests="2/h", dollars="2/d")
    async with gateway_world(tmp_path, MODELS, {"one": {}}, callers=known) as world:
        world.upstreams["one"].script(TEN)
        await collect(world.stub.Send(HELLO, metadata=bearer()))
        text = await text_of(world.app, "/status.json")
        page = await text_of(world.app, "/")
    [status] = msgspec.json.decode(text, type=list[ProcessStatus])
    assert status.limit_store is None
    assert status.callers == [
        CallerStatus(
            "team",
            [
                LimitStatus("streams", 0, 5, 0),
                LimitStatus("requests/h", 1, 2, 0.5),
                LimitStatus("dollars/d", 0.04, 2, 0.02),
            ],
        )
    ]
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
    assert "Limits of callers Counted by this process alone. team streams 0 of 5" in shown
    assert "requests/h 1 of 2 50% used dollars/d 0.0400 of 2 2% used" in shown
    for secret in (KEY, hash_of(KEY), hash_of(KEY).removeprefix("sha256:"), "canary"):
        assert secret not in text
        assert secret not in page


async def test_a_thousand_callers(tmp_path: Path) -> None:
    """With a thousand callers the page shows those closest to a limit, and the JSON has all."""
    limits = {"streams": 50, "requests": "600/m", "tokens": "200000/m", "dollars": "20/d"}
    known = {
        f"team-{number}": {"keys": [hash_of(f"key {number}")], "limits": limits}
        for number in range(999)
    }
    known |= {"team": callers(requests="1/d")["team"]}
    async with gateway_world(tmp_path, MODELS, {"one": {}}, callers=known) as world:
        await collect(world.stub.Send(HELLO, metadata=bearer()))
        text = await text_of(world.app, "/status.json")
        page = await text_of(world.app, "/")
    [status] = msgspec.json.decode(text, type=list[ProcessStatus])
    assert len(status.callers) == 1000
    assert len(text) < 500_000
    assert len(page) < 250_000
    names = re.findall(r'<span class="name">(team[^<]*)</span>', page)
    assert (len(names), names[0]) == (MAX_ROWS, "team")
    assert "and 800 more" in page


def test_names_of_callers_are_text() -> None:
    """Names are shown as they are, and limits that are nearly used up are marked."""
    limits = {"tokens/d": (95, 100), "streams": (1, 5)}
    status = process_status(caller_status("<b>&", limits), store="away")
    html = render([status])
    assert "<b>" not in html
    assert "&lt;b&gt;&amp;" in html
    assert '<span class="bad">95% used</span>' in html
    assert '<span class="good">20% used</span>' in html
    assert "The store of limits is away" in html


def test_any_thread_may_ask() -> None:
    """What is used can be read while another thread counts; it is never more than was counted."""
    limits = CallerLimits(None, (Window(Unit.TOKENS, 10**9, "s"), Window(Unit.TOKENS, 10**9, "d")))
    store = MemoryStore()
    entries = 2_000
    # Each entry is in another part of the window, so that parts come and go.
    begin = time.time()

    def count() -> None:
        for number in range(entries):
            now = begin + number / 50
            lease = str(number)
            take = LeaseEntry(EntryKind.TAKE, lease, 1, now, None, Totals(1), Held())
            settle = LeaseEntry(EntryKind.SETTLE, lease, 2, now, None, Totals(1), Held())
            store.apply("team", limits, [take, settle], now)

    thread = threading.Thread(target=count)
    thread.start()
    while thread.is_alive():
        used = store.used("team", limits, begin + entries / 50)
        assert used["tokens/s"] <= entries
        assert used["tokens/d"] <= entries
    thread.join()
    assert store.used("team", limits, begin + entries / 50)["tokens/d"] <= entries


async def test_asking_changes_nothing(tmp_path: Path) -> None:
    """Asking for the status of a caller who never called counts nothing for it."""
    known = callers(requests="2/h")
    async with gateway_world(tmp_path, MODELS, {"one": {}}, callers=known) as world:
        for _ in range(3):
            await text_of(world.app, "/status.json")
        await asyncio.gather(
            *(collect(world.stub.Send(HELLO, metadata=bearer())) for _ in range(2))
        )
        offer = world.app.offer.gateway
        assert offer
        assert offer.catalog.callers
        team = offer.catalog.callers.by_name["team"]
        assert team.limits
        assert offer.limiter.used("team", team.limits) == {"requests/h": 2}
