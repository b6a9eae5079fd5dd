"""Rows 35, 41 and 45: limits, shutdowns and bugs of the server, through each protocol."""

import asyncio

import pytest

from faults.test_admission import hold, let_go
from protocols.calls import assert_fails
from protocols.drivers import ANSWERS, METHODS
from protocols.world import OpenProtocols
from tokenwire.server.relay import Relay


async def test_row_35_overload(protocols: OpenProtocols) -> None:
    """A call over the limit is rejected, is told when to come back, and asks nothing upstream."""
    world = await protocols(max_streams=1, max_queue=0)
    held = await hold(world.world, 1)
    before = world.world.upstream.requests_seen
    made = []
    for method in METHODS:
        result = await world.call(method)
        made.append((method, result.ending))
        with world.subtests.test(method=str(method)):
            overloaded = ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED")
            assert_fails(method, result, overloaded, retry_after=1)
    assert world.world.upstream.requests_seen == before
    await let_go(world.world, held)
    await world.check([*made, (METHODS[0], ("OK", ""))])


@pytest.mark.parametrize(
    ("plan", "code"),
    [("barrier held; answer", "UNAVAILABLE"), ("tokens 2; barrier held; answer", "ABORTED")],
)
async def test_row_41_a_shutdown(protocols: OpenProtocols, plan: str, code: str) -> None:
    """A call that a shutdown ends may be repeated elsewhere, unless its answer has begun."""
    world = await protocols(grace_seconds=0.1)
    upstream = world.world.upstream
    upstream.script(*[plan] * len(ANSWERS))
    calls = [asyncio.create_task(world.call(method)) for method in ANSWERS]
    await upstream.barrier("held").reached(len(ANSWERS))
    await world.world.app.drain()
    ending = (code, "SERVER_SHUTTING_DOWN")
    for method, result in zip(ANSWERS, await asyncio.gather(*calls), strict=True):
        with world.subtests.test(method=str(method)):
            assert_fails(method, result, ending)
    await world.ledger.check((method, ending) for method in ANSWERS)


async def test_row_45_a_bug(protocols: OpenProtocols, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in the server is INTERNAL, and nobody reads its text."""

    async def fail(*arguments: object) -> None:
        raise RuntimeError(f"canary {arguments}")

    world = await protocols()
    made = []
    with monkeypatch.context() as patched:
        patched.setattr(Relay, "_write_last", fail)
        for method in METHODS:
            result = await world.call(method)
            made.append((method, result.ending))
            with world.subtests.test(method=str(method)):
                assert_fails(method, result, ("INTERNAL", "INTERNAL"))
    await world.check(made)
