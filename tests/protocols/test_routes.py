"""Rows 56, 65 and 66: routes and what their models can do, through each protocol."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from protocols.calls import assert_fails, call
from protocols.drivers import ANSWERS, SETTINGS
from protocols.drivers.base import Wanted
from protocols.ledger import Ledger, keep_ledger
from support.gateway import GatewayWorld, gateway_world
from support.helpers import retry_delay_of

TWO: dict[str, dict[str, Any]] = {"one": {}, "two": {}}
MODEL: dict[str, Any] = {"routes": ["one/a", "two/b"]}
FAILURES = ("status 500", "reset", "status 401", "status 429 retry-after=30", "headers; eof")


@asynccontextmanager
async def routes_world(
    folder: Path, **model: Any
) -> AsyncIterator[tuple[GatewayWorld, grpc.aio.Channel, Ledger]]:
    """Start a server with one model on two routes; `model` has further keys of it."""
    usage = folder / "usage.jsonl"
    models = {"m": MODEL | model}
    settings: dict[str, Any] = {"protocols": SETTINGS["protocols"], "usage_file": usage}
    async with (
        gateway_world(folder, models, TWO, **settings) as world,
        grpc.aio.insecure_channel(world.app.address) as channel,
    ):
        with keep_ledger(world.app, usage) as ledger:
            yield world, channel, ledger


@pytest.mark.parametrize("plan", FAILURES)
async def test_row_65_another_route(tmp_path: Path, plan: str, subtests: pytest.Subtests) -> None:
    """A route that fails before the first token is followed by the next one."""
    async with routes_world(tmp_path) as (world, channel, ledger):
        for number, method in enumerate(ANSWERS, 1):
            world.upstreams["one"].script(plan, plan)
            result = await call(channel, method)
            world.upstreams["one"].clear()
            with subtests.test(method=str(method)):
                assert result.ending == ("OK", "")
                assert result.texts
                assert world.seen()["two"] == number
        await ledger.check((method, ("OK", "")) for method in ANSWERS)


async def test_row_66_no_route_left(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """Without a route that is not open, a call is told when the first one may be tried again."""
    async with routes_world(tmp_path) as (world, channel, ledger):
        made = []
        for upstream in world.upstreams.values():
            upstream.script(*["status 503 retry-after=30"] * 9)
        for method in ANSWERS:
            # Shorter than the wait for a route, which would be tried again.
            result = await call(channel, method, timeout=10)
            made.append((method, result.ending))
            with subtests.test(method=str(method)):
                assert result.error
                wait = retry_delay_of(result.error)
                assert wait is not None
                assert 20 < wait <= 40
                assert_fails(method, result, ("UNAVAILABLE", "UPSTREAM_ERROR"), retry_after=wait)
        # The first call has opened both routes, and nothing was asked after it.
        assert world.seen() == {"one": 1, "two": 1}
        await ledger.check(made)


async def test_row_65_not_after_the_first_token(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """An answer that has begun is not asked for again, which would cost twice."""
    async with routes_world(tmp_path) as (world, channel, ledger):
        made = []
        for method in ANSWERS:
            world.upstreams["one"].script("tokens 2; reset")
            result = await call(channel, method)
            made.append((method, result.ending))
            with subtests.test(method=str(method)):
                assert_fails(method, result, ("ABORTED", "UPSTREAM_STREAM_BROKEN"))
        assert world.seen()["two"] == 0
        await ledger.check(made)


async def test_row_56_what_a_model_lacks(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """A request that no route can answer names its field, and nothing is asked."""
    async with routes_world(tmp_path, abilities=["chat"]) as (world, channel, ledger):
        made = []
        for method in ANSWERS:
            result = await call(channel, method, Wanted(tools=1))
            made.append((method, result.ending))
            with subtests.test(method=str(method)):
                ending = ("INVALID_ARGUMENT", "UNSUPPORTED_BY_MODEL")
                assert_fails(method, result, ending, fields=[method.fields["tools"]])
        assert world.seen() == {"one": 0, "two": 0}
        await ledger.check(made)
