"""Spans: each request on a route has one, below the span of the call's operation."""

from pathlib import Path

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from support.gateway import HELLO, gateway_world
from support.helpers import collect
from support.otlp import Collector, attributes_of
from tokenwire.cli.keys import hash_of
from tokenwire.v1 import chatgpt_pb2 as pb

FALLBACK = {"fast": {"routes": ["one/first", "two/second"]}}
HEDGED = {"fast": {"routes": ["one/first", "two/second"], "hedge_after": "50ms"}}


def of_routes(collector: Collector) -> dict[str, Span]:
    """Return the spans of requests on routes, by route."""
    return {
        attributes_of(span)["tokenwire.route"]: span
        for span in collector.spans
        if span.name.startswith("route ")
    }


async def test_a_request_on_a_route_has_a_span(collector: Collector, tmp_path: Path) -> None:
    """A failed request and the next one are told apart, and each upstream gets its own parent."""
    async with gateway_world(tmp_path, FALLBACK, {"one": {}, "two": {}}) as world:
        world.upstreams["one"].script("status 503")
        await collect(world.stub.Send(HELLO))
        found = await collector.answered(3)
        [answered] = [span for span in found if span.name == "chat fast"]
        spans = of_routes(collector)
        assert spans.keys() == {"one/first", "two/second"}
        for name, route in (("one", "one/first"), ("two", "two/second")):
            span = spans[route]
            assert span.parent_span_id == answered.span_id
            assert span.kind == Span.SPAN_KIND_CLIENT
            traceparent = world.upstreams[name].requests[0].headers["traceparent"]
            assert traceparent.split("-")[2] == span.span_id.hex()
        failed, ended = spans["one/first"], spans["two/second"]
        assert attributes_of(failed) == {
            "tokenwire.route": "one/first",
            "tokenwire.route.result": "error",
            "error.type": "UPSTREAM_ERROR",
        }
        assert failed.status.code == Status.STATUS_CODE_ERROR
        assert attributes_of(ended)["tokenwire.route.result"] == "ok"
        assert ended.status.code == Status.STATUS_CODE_UNSET
        assert failed.end_time_unix_nano <= ended.start_time_unix_nano
        assert ended.end_time_unix_nano <= answered.end_time_unix_nano


async def test_a_hedge_is_seen(collector: Collector, tmp_path: Path) -> None:
    """The spans of both requests overlap, and the one that lost says neither ok nor error."""
    async with gateway_world(tmp_path, HEDGED, {"one": {}, "two": {}}) as world:
        world.upstreams["one"].script("barrier never; answer")
        await collect(world.stub.Send(HELLO))
        await collector.answered(3)
        spans = of_routes(collector)
        results = {
            route: attributes_of(span)["tokenwire.route.result"] for route, span in spans.items()
        }
        assert results == {"one/first": "other", "two/second": "ok"}
        first, second = spans["one/first"], spans["two/second"]
        assert first.start_time_unix_nano < second.start_time_unix_nano < first.end_time_unix_nano


async def test_unary_methods_have_them_too(collector: Collector, tmp_path: Path) -> None:
    """`Embed` has a span for each of its requests."""
    models = {"vectors": {"routes": ["one/first", "two/second"]}}
    async with gateway_world(tmp_path, models, {"one": {}, "two": {}}) as world:
        world.upstreams["one"].script("status 500")
        await world.stub.Embed(pb.EmbedRequest(model="vectors", texts=["a"]))
        await collector.received(1)
        assert of_routes(collector).keys() == {"one/first", "two/second"}


async def test_the_caller_is_told(collector: Collector, tmp_path: Path) -> None:
    """The span of the operation has the caller's name, and nothing of its key."""
    key = "tw_team_canary"
    callers = {"team": {"keys": [hash_of(key)]}}
    async with gateway_world(tmp_path, FALLBACK, {"one": {}, "two": {}}, callers=callers) as world:
        await world.stub.Ask(HELLO, metadata=(("authorization", f"Bearer {key}"),))
        spans = await collector.answered(2)
        callers_of = {span.name: attributes_of(span).get("tokenwire.caller") for span in spans}
        assert callers_of["chat fast"] == "team"
        assert "canary" not in str(collector.spans)
        assert hash_of(key) not in str(collector.spans)
