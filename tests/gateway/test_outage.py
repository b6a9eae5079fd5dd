"""An upstream fails under 100 concurrent callers: each is answered by another route, once."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.gateway import GatewayWorld, gateway_world
from support.helpers import collect, text_of
from tokenwire.v1 import chatgpt_pb2 as pb

CALLERS = 100
CALLS_EACH = 3
DEADLINE_SECONDS = 30
WHOLE = "This is tokenwire's built-in demo model"
MODELS = {
    "fast": {"routes": ["one/first", "two/second", "three/third"]},
    # Its health shows the breaker of the first route.
    "solo": {"routes": "one/first"},
}
UPSTREAMS: dict[str, dict[str, Any]] = {
    "one": {"first_token_timeout": "500ms"},
    "two": {},
    "three": {},
}
LIMITS: dict[str, Any] = {"max_streams": 2 * CALLERS, "max_streams_per_connection": 2 * CALLERS}
FAULTS = {
    "hangs": "stall",
    "hangs after the headers": "headers; stall",
    "limits": "status 429 retry-after=1",
    "is empty": "done",
    "ends early": "headers; eof",
    "breaks in-band": "error canary",
    "overloaded": "status 503",
}


@pytest.fixture(params=["is killed", *FAULTS])
def fault(request: pytest.FixtureRequest) -> str:
    """What happens to the first upstream."""
    return str(request.param)


async def test_no_call_is_lost(fault: str, tmp_path: Path) -> None:
    """All are answered in time and none twice; the upstream that comes back is used again."""
    async with (
        gateway_world(tmp_path, MODELS, UPSTREAMS, **LIMITS) as world,
        grpc.aio.insecure_channel(world.app.address) as channel,
    ):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="models/solo"))
        states = health_pb2.HealthCheckResponse
        assert (await watch.read()).status == states.SERVING
        assert await _answered_by(world, 0) == "one"
        one = world.upstreams["one"]
        if fault == "is killed":
            await one.aclose()
        else:
            one.script(*[FAULTS[fault]] * CALLERS)
        calling = asyncio.gather(*(_caller(world, number) for number in range(CALLERS)))
        assert (await watch.read()).status == states.NOT_SERVING
        answers = Counter(name for names in await calling for name in names)
        assert answers.total() == CALLERS * CALLS_EACH
        complete = Counter(
            name
            for name, upstream in world.upstreams.items()
            for request in upstream.requests
            if request.outcome == "complete" and request.tokens_sent
        )
        assert complete == answers + Counter({"one": 1})
        if fault == "is killed":
            await one.start()
        else:
            one.clear()
        # While its breaker is open, the next change of its health is the end of that.
        while await _answered_by(world, 0) != "one":
            await watch.read()
        watch.cancel()


async def _caller(world: GatewayWorld, number: int) -> list[str]:
    """Make calls one after the other; return the upstreams that answered."""
    return [await _answered_by(world, number) for _ in range(CALLS_EACH)]


async def _answered_by(world: GatewayWorld, number: int) -> str:
    message = pb.Message(content=f"question {number}", params=pb.Params(model="fast"))
    answers = await collect(world.stub.Send(message, timeout=DEADLINE_SECONDS))
    assert text_of(answers).count(WHOLE) == 1
    assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
    return str(answers[-1].route.upstream)
