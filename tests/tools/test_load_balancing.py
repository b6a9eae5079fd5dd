"""A Go client with `weighted_round_robin` before two servers, of which one is busy."""

import asyncio
import json
from asyncio.subprocess import Process
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from support.app import StartApp
from support.held import held
from support.programs import ROOT, Outcome, run, started
from test_load_balancing_doc import IN_CALLS, STREAMED, without_delay
from tokenwire.app import App
from tokenwire_demo import DemoUpstream

pytestmark = [pytest.mark.tools, pytest.mark.timeout(180)]

ROUND_ROBIN: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
SOURCE = ROOT / "tests" / "tools" / "balancing"
SLOTS = 10
CALLS = 200
"""The number of latest calls of which the share is measured."""
SECONDS = 90
"""The longest time until the client has moved."""

Calls: TypeAlias = "Counter[tuple[str, str]]"
"""The number of calls by server and status code."""


async def latest(client: Process, enough: Callable[[Calls], bool]) -> Calls:
    """Read the calls of a client until the latest ones are enough; return these."""
    assert client.stdout
    window: deque[tuple[str, str]] = deque(maxlen=CALLS)
    async with asyncio.timeout(SECONDS):
        async for line in client.stdout:
            server, code = line.decode().split()
            window.append((server, code))
            if len(window) == CALLS and enough(Counter(window)):
                return Counter(window)
    raise AssertionError("the client has ended")


def share(calls: Calls, server: App) -> float:
    """Return a server's share of the calls, whatever their status."""
    return sum(count for (address, _), count in calls.items() if address == server.address) / CALLS


@pytest.mark.parametrize(
    ("load_reports", "service_config"),
    [("calls", IN_CALLS), ("service", STREAMED)],
    ids=["reports in calls", "streams of reports"],
)
async def test_calls_move_to_the_idle_server(
    tools: Path,
    start_app: StartApp,
    upstream: DemoUpstream,
    load_reports: str,
    service_config: dict[str, Any],
) -> None:
    """With nine of ten slots taken on one of two servers, the other one gets most calls."""
    settings = {"load_reports": load_reports, "max_streams": SLOTS}
    busy, idle = await start_app(**settings), await start_app(**settings)
    command = (
        tools / "balancing",
        json.dumps(without_delay(service_config)),
        busy.address,
        idle.address,
    )
    async with held(upstream, busy, SLOTS - 1), started(*command) as client:
        calls = await latest(client, lambda calls: share(calls, idle) >= 0.8)
    assert {code for _, code in calls} == {"OK"}


async def test_calls_move_from_a_full_server(
    tools: Path, start_app: StartApp, upstream: DemoUpstream
) -> None:
    """With all slots taken on one of two servers, the client soon has almost no call rejected."""
    settings = {"load_reports": "calls", "max_streams": SLOTS}
    full, idle = await start_app(**settings), await start_app(**settings)
    command = (tools / "balancing", json.dumps(without_delay(IN_CALLS)), full.address, idle.address)
    async with held(upstream, full, SLOTS), started(*command) as client:
        calls = await latest(client, lambda calls: share(calls, idle) >= 0.9)
    assert calls[full.address, "OK"] == 0
    assert calls[idle.address, "OK"] == share(calls, idle) * CALLS


async def test_without_weights_the_busy_server_keeps_its_share(
    tools: Path, start_app: StartApp, upstream: DemoUpstream
) -> None:
    """With `round_robin`, the same client sends half of its calls to the busy server."""
    busy, idle = await start_app(max_streams=SLOTS), await start_app(max_streams=SLOTS)
    command = (tools / "balancing", json.dumps(ROUND_ROBIN), busy.address, idle.address)
    async with held(upstream, busy, SLOTS - 1), started(*command) as client:
        calls = await latest(client, lambda _: True)
    assert 0.4 <= share(calls, idle) <= 0.6


async def test_the_client_is_in_order() -> None:
    """`go vet` and `gofmt` find nothing in the source of the client."""
    env = {"GOPROXY": "off", "GOTOOLCHAIN": "local"}
    for command in (("go", "vet", "./..."), ("gofmt", "-l", ".")):
        assert await run(*command, cwd=SOURCE, env=env, within=150) == Outcome(0, "", "")
