"""Hedging: a slow route is joined by a second one, and the first to speak answers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.exposed import read
from support.gateway import HELLO, GatewayWorld, gateway_world
from support.helpers import collect, reason_of, text_of
from support.unary import ending_of
from tokenwire.config import SettingsError
from tokenwire.config.gateway import load_gateway
from tokenwire.routing.budget import MAX_BALANCE, RETRY_COST
from tokenwire.v1 import chatgpt_pb2 as pb

SOON = {"fast": {"routes": ["one/first", "two/second"], "hedge_after": "50ms"}}
LATE = {"fast": {"routes": ["one/first", "two/second"], "hedge_after": "1h"}}
TWO: dict[str, dict[str, Any]] = {"one": {}, "two": {}}
WHOLE = "This is tokenwire's built-in demo model"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[GatewayWorld]:
    """Start a server with two routes, of which the second is asked after 50 ms."""
    async with gateway_world(tmp_path, SOON, TWO) as running:
        yield running


async def counted(world: GatewayWorld, name: str, route: str, **labels: str) -> float:
    """Return the value of a counter of a route."""
    return (await read(world.app)).value(f"tokenwire_route_{name}_total", route=route, **labels)


async def test_the_second_answers_while_the_first_is_silent(world: GatewayWorld) -> None:
    """The caller gets the second answer once and whole; the first request is closed and counted."""
    world.upstreams["one"].script("barrier never; answer")
    answers = await collect(world.stub.Send(HELLO))
    assert text_of(answers).count(WHOLE) == 1
    assert answers[-1].route == pb.Route(upstream="two", attempts=2)
    assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
    await world.upstreams["one"].wait_until_idle()
    [lost] = world.upstreams["one"].requests
    assert lost.outcome == "client gone"
    assert await counted(world, "hedges", "two/second") == 1
    assert await counted(world, "requests", "one/first", result="other") == 1
    assert await counted(world, "requests", "two/second", result="ok") == 1
    exposed = await read(world.app)
    in_flight = "tokenwire_upstream_streams_in_flight"
    assert [exposed.value(in_flight, upstream=name) for name in ("one", "two")] == [0, 0]


async def test_the_first_answers_if_it_speaks_first(world: GatewayWorld) -> None:
    """The second request is closed when the first one speaks, and its route stays in service."""
    one, two = world.upstreams["one"], world.upstreams["two"]
    one.script("barrier first; tokens 1; barrier rest; answer")
    two.script("barrier never; answer")
    running = asyncio.ensure_future(collect(world.stub.Send(HELLO)))
    await two.barrier("never").reached()
    one.barrier("first").release()
    await two.wait_until_idle()
    assert two.requests[0].outcome == "client gone"
    one.barrier("rest").release()
    answers = await running
    assert text_of(answers).count(WHOLE) == 1
    assert answers[-1].route == pb.Route(upstream="one", attempts=2)
    assert (await read(world.app)).value("tokenwire_route_open", route="two/second") == 0


async def test_a_first_that_speaks_in_time_is_alone(tmp_path: Path) -> None:
    """No second route is asked, and one that fails before that moves on as without hedging."""
    async with gateway_world(tmp_path, LATE, TWO) as world:
        await collect(world.stub.Send(HELLO))
        assert world.seen() == {"one": 1, "two": 0}
        world.upstreams["one"].script("status 500")
        answers = await collect(world.stub.Send(HELLO))
        assert answers[-1].route == pb.Route(upstream="two", attempts=2)
        assert world.seen() == {"one": 2, "two": 1}
        assert await counted(world, "hedges", "two/second") == 0
        assert await counted(world, "fallbacks", "one/first") == 1


ENDINGS = {
    # The first one, the second one, and how the call ends.
    "first fails": ("barrier b; status 500", "barrier s; answer", "two"),
    "second fails": ("barrier b; answer", "status 500", "one"),
    "second is rejected": ("barrier b; answer", "status 400", "one"),
    "first is rejected": ("barrier b; status 413", "barrier s; answer", "PROMPT_TOO_LONG"),
    "both fail": ("barrier b; status 503", "status 503", "UPSTREAM_ERROR"),
}


@pytest.mark.parametrize("name", ENDINGS)
async def test_one_of_two_fails(world: GatewayWorld, name: str) -> None:
    """The other one answers, unless the caller's request is at fault; nobody answers twice."""
    first, second, ending = ENDINGS[name]
    one, two = world.upstreams["one"], world.upstreams["two"]
    # Both routes are asked once more if both have failed.
    one.script(first, "status 503")
    two.script(second, "status 503")
    running = asyncio.ensure_future(_ending(world))
    await two.wait_for_requests()
    if "s;" in second:
        await two.barrier("s").reached()
    one.barrier("b").release()
    if name == "first fails":
        await one.wait_until_idle()
        two.barrier("s").release()
    assert await running == ending


async def test_a_hedge_that_fails_is_counted(world: GatewayWorld) -> None:
    """A second route that fails after the first one counts as an error, also of its answer."""
    one, two = world.upstreams["one"], world.upstreams["two"]
    one.script("barrier b; status 413")
    two.script("barrier s; tokens 1; reset")
    running = asyncio.ensure_future(_ending(world))
    await two.barrier("s").reached()
    two.barrier("s").release()
    assert await running == "UPSTREAM_STREAM_BROKEN"
    await one.wait_until_idle()
    assert await counted(world, "requests", "two/second", result="error") == 1
    assert await counted(world, "requests", "one/first", result="other") == 1
    one.script("barrier c; status 500", "status 413")
    two.script("barrier d; status 500", "status 413")
    running = asyncio.ensure_future(_ending(world))
    await two.barrier("d").reached()
    one.barrier("c").release()
    await one.wait_until_idle()
    two.barrier("d").release()
    await running
    assert await counted(world, "requests", "two/second", result="error") == 2
    assert await counted(world, "requests", "one/first", result="error") == 1


async def _ending(world: GatewayWorld) -> str:
    """Return the upstream that answers, or the reason of the failure."""
    try:
        answers = await collect(world.stub.Send(HELLO))
    except grpc.aio.AioRpcError as error:
        return reason_of(error)
    assert text_of(answers).count(WHOLE) == 1
    return str(answers[-1].route.upstream)


async def test_the_timer_follows_the_one_that_answers(tmp_path: Path) -> None:
    """An answer that was hedged and then stops ends after the idle timeout, as any other."""
    upstreams = {"one": {}, "two": {"idle_timeout": "200ms"}}
    async with gateway_world(tmp_path, SOON, upstreams) as world:
        world.upstreams["one"].script("barrier never; answer")
        world.upstreams["two"].script("tokens 2; barrier never; answer")
        ending = await ending_of(collect(world.stub.Send(HELLO)))
        assert ending == ("ABORTED", "UPSTREAM_IDLE_TIMEOUT")


async def test_a_caller_that_leaves_ends_both(world: GatewayWorld) -> None:
    """Both requests are closed, and the call is counted with both."""
    for name, upstream in world.upstreams.items():
        upstream.script(f"barrier {name}; answer")
    running = world.stub.Send(HELLO)
    for name, upstream in world.upstreams.items():
        await upstream.barrier(name).reached()
    running.cancel()
    for upstream in world.upstreams.values():
        await upstream.wait_until_idle()
        assert upstream.requests[0].outcome == "client gone"


async def test_hedges_are_at_most_a_tenth(tmp_path: Path) -> None:
    """Of 300 calls to a slow route, no more ask a second one than the budget pays for."""
    models = {"fast": {"routes": ["one/first", "two/second"], "hedge_after": "1ms"}}
    calls = 300
    async with gateway_world(tmp_path, models, TWO) as world:
        world.upstreams["one"].script(*["wait 0.02; answer"] * calls)
        for _ in range(calls // 20):
            await asyncio.gather(*(collect(world.stub.Send(HELLO)) for _ in range(20)))
        hedges = await counted(world, "hedges", "two/second")
        assert 0 < hedges <= (MAX_BALANCE + calls) / RETRY_COST
        assert world.seen() == {"one": calls, "two": hedges}


def test_a_hedge_needs_a_second_route(tmp_path: Path) -> None:
    """A file with `hedge_after` and a single route is refused, with the line."""
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "upstreams: {one: {base_url: http://127.0.0.1:1/v1}}\n"
        "models:\n  fast:\n    routes: one/a\n    hedge_after: 1s\n"
    )
    with pytest.raises(SettingsError, match=r":5: models\.fast\.hedge_after: has no effect"):
        load_gateway(path)
