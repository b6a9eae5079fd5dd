"""Row 35 with callers: slots are shared by callers, and those of low priority wait."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.gateway import HELLO
from support.helpers import reason_of, retry_delay_of
from support.priority import MODELS, OVERLOADED, CallerCrowd, bearer, caller_crowd, callers
from support.unary import error_of
from tokenwire.config import SettingsError
from tokenwire.config.gateway import load_gateway
from tokenwire.server.interceptors import admission

OK = ("OK", "")


@pytest.fixture
async def crowd(tmp_path: Path) -> AsyncIterator[CallerCrowd]:
    """Start a server with one slot and three places in its queue."""
    async with caller_crowd(tmp_path) as running:
        yield running


async def test_row_35_connections_make_no_shares(crowd: CallerCrowd) -> None:
    """A caller with several connections gets no more turns than one with a single connection."""
    held = await crowd.hold("team")
    async with crowd.connection() as second, crowd.connection() as third:
        waiting = [
            await crowd.queued(1, "team", second),
            await crowd.queued(2, "team", third),
            await crowd.queued(3, "other"),
        ]
        crowd.release()
        assert await asyncio.gather(*held, *waiting) == [OK] * 4
    assert crowd.order() == ["team", "team", "other", "team"]


async def test_row_35_callers_behind_a_proxy(crowd: CallerCrowd) -> None:
    """Callers on one connection have a share each."""
    held = await crowd.hold("team")
    waiting = [await crowd.queued(length, "team") for length in (1, 2, 3)]
    other = asyncio.create_task(crowd.ends("other"))
    # The full queue gives it the place of the newest call.
    assert await waiting.pop() == OVERLOADED
    crowd.release()
    assert await asyncio.gather(*held, *waiting, other) == [OK] * 4
    assert crowd.order() == ["team", "team", "other", "team"]


async def test_row_35_low_priority_waits(crowd: CallerCrowd) -> None:
    """A queued call of low priority waits for later ones of other callers."""
    held = await crowd.hold("team")
    waiting = [
        await crowd.queued(length, name) for length, name in enumerate(("batch", "team", "team"), 1)
    ]
    crowd.release()
    assert await asyncio.gather(*held, *waiting) == [OK] * 4
    assert crowd.order() == ["team", "team", "team", "batch"]


async def test_row_35_low_priority_is_rejected_first(crowd: CallerCrowd) -> None:
    """A full queue rejects calls of low priority to admit others, and never the reverse."""
    held = await crowd.hold("batch")
    waiting = [await crowd.queued(1, "nightly"), await crowd.queued(2, "team")]
    displaced = asyncio.create_task(
        error_of(crowd.world.stub.Ask(HELLO, metadata=bearer("nightly")))
    )
    await crowd.queue_is(3)
    waiting.append(asyncio.create_task(crowd.ends("team")))
    error = await displaced
    assert (error.code().name, reason_of(error), retry_delay_of(error)) == (*OVERLOADED, 1)
    waiting.append(asyncio.create_task(crowd.ends("other")))
    assert await waiting.pop(0) == OVERLOADED
    assert await crowd.ends("batch") == OVERLOADED
    assert crowd.value("tokenwire_queue_length") == 3
    crowd.release()
    assert await asyncio.gather(*held, *waiting) == [OK] * 4
    assert sorted(crowd.order()) == ["batch", "other", "team", "team"]


async def test_row_35_low_priority_does_not_starve(tmp_path: Path) -> None:
    """While another caller always waits, every tenth slot goes to low priority."""
    async with caller_crowd(tmp_path, max_queue=30) as crowd:
        held = await crowd.hold("team")
        waiting = [await crowd.queued(1, "batch"), await crowd.queued(2, "batch")]
        waiting += [await crowd.queued(length, "team") for length in range(3, 26)]
        crowd.release()
        assert await asyncio.gather(*held, *waiting) == [OK] * 26
    turns = [turn for turn, name in enumerate(crowd.order()) if name == "batch"]
    assert turns == [10, 20]


async def test_row_35_a_claim_is_the_callers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slot is reserved for a rejected caller on any connection; low priority reserves none."""
    # This makes the result independent of the speed of the machine.
    monkeypatch.setattr(admission, "CLAIM_SECONDS", 60.0)
    async with caller_crowd(tmp_path, max_queue=0) as crowd, crowd.connection() as second:
        held = await crowd.hold("batch")
        assert await crowd.ends("nightly") == OVERLOADED
        assert await crowd.ends("team") == OVERLOADED
        crowd.release()
        assert await asyncio.gather(*held) == [OK]
        assert crowd.value("tokenwire_streams_reserved") == 1
        assert await crowd.ends("batch") == OVERLOADED
        assert await crowd.ends("nightly") == OVERLOADED
        assert await crowd.ends("team", second) == OK
        assert await crowd.ends("nightly") == OK


async def test_a_reload_changes_priorities(crowd: CallerCrowd) -> None:
    """New calls have the priority of the new file; those that wait keep theirs."""
    held = await crowd.hold("other")
    waiting = [await crowd.queued(1, "batch")]
    crowd.world.write(MODELS, {"one": {}}, callers(low={"team"}))
    await crowd.world.reloaded()
    waiting += [await crowd.queued(2, "team"), await crowd.queued(3, "nightly")]
    crowd.release()
    assert await asyncio.gather(*held, *waiting) == [OK] * 4
    assert crowd.order() == ["other", "nightly", "batch", "team"]


def test_other_priorities_are_mistakes(tmp_path: Path) -> None:
    """A priority is `normal` or `low`."""
    path = tmp_path / "gateway.yaml"
    file = "upstreams: {one: {base_url: http://127.0.0.1:1/v1}}\nmodels: {fast: {routes: one/a}}\n"
    hashed = callers()["team"]["keys"][0]
    path.write_text(f"{file}callers: {{a: {{keys: [{hashed}], priority: high}}}}\n")
    with pytest.raises(SettingsError) as caught:
        load_gateway(path)
    [problem] = caught.value.problems
    assert "callers.a.priority=high: must be 'normal' or 'low'" in problem
