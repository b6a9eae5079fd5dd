"""What a scrape tells of routes: requests by result, fallbacks, open routes, streams in flight."""

import asyncio
import contextlib
from collections.abc import Awaitable
from pathlib import Path

import grpc

from support.exposed import read, series
from support.gateway import HELLO, gateway_world
from support.unary import ending_of
from tokenwire.v1 import chatgpt_pb2 as pb

MODELS = {
    "fast": {"routes": ["one/a", "two/b"], "aliases": ["quick"]},
    "smart": {"routes": ["one/a"]},
}


async def test_routes_are_counted(tmp_path: Path) -> None:
    """Each request counts once, by its route and result, and each call that moves on too."""
    async with gateway_world(tmp_path, MODELS, {"one": {}, "two": {}}) as world:
        one = world.upstreams["one"]
        one.script("status 500", "answer", "tokens 1; reset", "status 413")
        await world.stub.Ask(HELLO)
        await world.stub.Ask(HELLO)
        for _ in range(2):
            await _ended(world.stub.Ask(HELLO))
        exposed = await read(world.app)
        requests = "tokenwire_route_requests_total"
        counts = {
            (route, result): exposed.value(requests, route=route, result=result)
            for route in ("one/a", "two/b")
            for result in ("ok", "error", "other")
        }
        assert counts == {
            ("one/a", "ok"): 1,
            ("one/a", "error"): 2,
            ("one/a", "other"): 1,
            ("two/b", "ok"): 1,
            ("two/b", "error"): 0,
            ("two/b", "other"): 0,
        }
        fallbacks = "tokenwire_route_fallbacks_total"
        assert exposed.value(fallbacks, route="one/a") == 1
        assert exposed.value(fallbacks, route="two/b") == 0


async def _ended(call: Awaitable[pb.Answer]) -> None:
    # How it ends is tested elsewhere.
    with contextlib.suppress(grpc.aio.AioRpcError):
        await call


async def test_what_is_open_and_in_flight(tmp_path: Path) -> None:
    """Gauges follow the breakers, which models share, and the requests to each upstream.

    A model has one series, by its name, whatever its aliases.
    """
    async with gateway_world(tmp_path, MODELS, {"one": {}, "two": {}}) as world:
        world.upstreams["one"].script("status 429 retry-after=30")
        await world.stub.Ask(HELLO)
        world.upstreams["two"].script("barrier going; answer")
        running = asyncio.ensure_future(_ended(world.stub.Ask(HELLO)))
        await world.upstreams["two"].barrier("going").reached()
        exposed = await read(world.app)
        assert exposed.value("tokenwire_route_open", route="one/a") == 1
        assert exposed.value("tokenwire_route_open", route="two/b") == 0
        in_flight = "tokenwire_upstream_streams_in_flight"
        assert exposed.value(in_flight, upstream="one") == 0
        assert exposed.value(in_flight, upstream="two") == 1
        assert exposed.value("tokenwire_route_waiting") == 0
        serving = "tokenwire_model_serving"
        assert {key: value for key, value in exposed.values.items() if key[0] == serving} == {
            series(serving, model="fast"): 1,
            series(serving, model="smart"): 0,
        }
        models = {
            each.name: each.serving
            for each in (await world.stub.ListModels(pb.ListModelsRequest())).models
        }
        assert models == {"fast": True, "quick": True, "smart": False}
        world.upstreams["two"].barrier("going").release()
        await running


async def test_a_refused_call_is_no_error_of_an_upstream(tmp_path: Path) -> None:
    """A call that ends because all routes are open asks nobody, and counts as no failed request."""
    async with gateway_world(tmp_path, MODELS, {"one": {}, "two": {}}) as world:
        world.upstreams["one"].script("status 429 retry-after=30")
        solo = pb.Message(content="hello", params=pb.Params(model="smart"))
        await _ended(world.stub.Ask(solo))
        assert await ending_of(world.stub.Ask(solo, timeout=5)) == ("UNAVAILABLE", "UPSTREAM_ERROR")
        exposed = await read(world.app)
        errors = "tokenwire_upstream_errors_total"
        by_model = {"gen_ai_request_model": "smart"}
        assert exposed.value(errors, reason="UPSTREAM_RATE_LIMITED", **by_model) == 1
        assert exposed.value(errors, reason="UPSTREAM_ERROR", **by_model) == 0
        assert world.seen() == {"one": 1, "two": 0}
