"""Rows 35 and 43: calls that wait in gRPC before the server accepts them."""

import asyncio
import json
from typing import Any

import grpc
import pytest

from faults.test_admission import OK, OVERLOADED, hold, let_go
from support.helpers import reason_of, retry_delay_of
from support.waiting import within
from support.world import World, open_world
from tokenwire.api.codes import code_of
from tokenwire.api.status import FixedStatus, extra_trailers, to_status
from tokenwire.core.errors import DOMAIN, ServerOverloaded, UpstreamQuotaExhausted
from tokenwire.server.request_id import REQUEST_ID

CROWD = 600
SHUTTING_DOWN = (grpc.StatusCode.UNAVAILABLE, "SERVER_SHUTTING_DOWN")
# A client sends no calls beyond the connection's limit, so the limit admits a whole crowd.
FULL = {"max_streams": 1, "max_queue": 0, "max_streams_per_connection": CROWD + 1}


def value(world: World, name: str, **labels: str) -> float:
    return world.app.metrics.registry.get_sample_value(name, labels) or 0.0


async def call_all(world: World, **options: Any) -> list[grpc.aio.AioRpcError]:
    """Make the calls of a crowd at once; all must fail."""
    errors = []
    for answers, error in await asyncio.gather(
        *(world.ended(world.send(**options)) for _ in range(CROWD))
    ):
        assert answers == []
        assert error is not None
        errors.append(error)
    return errors


def endings(errors: list[grpc.aio.AioRpcError]) -> list[tuple[grpc.StatusCode, str]]:
    return [(error.code(), reason_of(error)) for error in errors]


async def test_row_43_a_crowd_is_rejected_at_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call of a crowd gets the usual status of a rejected call, and the answer continues."""
    async with open_world(monkeypatch, **FULL) as world:
        held = await hold(world, 1)
        errors = await call_all(world)
        assert endings(errors) == [OVERLOADED] * CROWD
        assert {retry_delay_of(error) for error in errors} == {1}
        shed = world.shed()
        assert shed > CROWD / 2
        await let_go(world, held)
        spans = await world.check_all([OK] + [OVERLOADED] * CROWD)
        assert len(spans) == 1 + CROWD - shed


async def test_row_43_a_crowd_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shed calls are included in all counts of calls, and share a line in the log."""
    async with open_world(monkeypatch, **FULL) as world:
        held = await hold(world, 1)
        await call_all(world)
        await let_go(world, held)
        await world.check_all([OK] + [OVERLOADED] * CROWD)
        method = {
            "grpc_type": "server_stream",
            "grpc_service": "openai.Chatgpt",
            "grpc_method": "Send",
        }
        # Each count includes the call of the warm-up and the held one.
        all_calls = CROWD + 2
        assert value(world, "grpc_server_started_total", **method) == all_calls
        assert value(world, "grpc_server_handling_seconds_count", **method) == all_calls
        assert value(world, "tokenwire_accept_wait_seconds_count") == all_calls
        code = method | {"grpc_code": "RESOURCE_EXHAUSTED"}
        assert value(world, "grpc_server_handled_total", **code) == CROWD
        assert value(world, "tokenwire_rejected_total", reason="SERVER_OVERLOADED") == CROWD
        other = {"outcome": "rejected", "gen_ai_request_model": "other"}
        assert value(world, "tokenwire_calls_total", **other) == CROWD
        await within(5, "a line of all calls", lambda: sum(told(world)) == world.shed())
        lines = [json.loads(line) for line in world.log.getvalue().splitlines()]
        ended = [line for line in lines if line["event"] == "call ended"]
        assert len(ended) + world.shed() == all_calls


def told(world: World) -> list[int]:
    """Return the numbers of calls in the log lines about shed calls."""
    lines = [json.loads(line) for line in world.log.getvalue().splitlines()]
    return [line["calls"] for line in lines if line["event"] == "calls rejected"]


async def test_row_35_the_wait_in_grpc_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The metric of the wait in gRPC is high for calls behind others, and low for a single call."""
    async with open_world(monkeypatch, **FULL) as world:
        for _ in range(3):
            await world.ended(world.send())
        at_once = value(world, "tokenwire_accept_wait_seconds_bucket", le="0.25")
        assert at_once == value(world, "tokenwire_accept_wait_seconds_count")
        held = await hold(world, 1)
        await call_all(world)
        waited = value(world, "tokenwire_accept_wait_seconds_bucket", le="+Inf") - value(
            world, "tokenwire_accept_wait_seconds_bucket", le="0.01"
        )
        assert waited > CROWD / 2
        await let_go(world, held)


async def test_row_43_a_crowd_at_a_server_that_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crowd at a stopping server gets SERVER_SHUTTING_DOWN, so balancers use another one."""
    async with open_world(monkeypatch, drain_seconds=0, grace_seconds=5, **FULL) as world:
        held = await hold(world, 1)
        stopping = asyncio.create_task(world.app.drain())
        await within(5, "draining", lambda: value(world, "tokenwire_draining") == 1)
        # Wait until the first call after the start of the draining is rejected.
        while await ending_of_one(world) != SHUTTING_DOWN:
            pass
        assert endings(await call_all(world)) == [SHUTTING_DOWN] * CROWD
        assert world.shed() == 0
        await let_go(world, held)
        await stopping


async def ending_of_one(world: World) -> tuple[grpc.StatusCode, str]:
    _, error = await world.ended(world.send())
    assert error is not None
    return error.code(), reason_of(error)


async def test_row_35_a_request_id_at_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call of a crowd gets its request id, in the message and in the metadata."""
    async with open_world(monkeypatch, **FULL) as world:
        held = await hold(world, 1)
        errors = await call_all(world, metadata=((REQUEST_ID, "mine"),))
        for error in errors:
            assert str(error.details()).endswith("Request id: mine.")
            assert dict(error.trailing_metadata())[REQUEST_ID] == "mine"
        assert world.shed()
        await let_go(world, held)


@pytest.mark.parametrize(
    "error", [ServerOverloaded(retry_after=1.5), UpstreamQuotaExhausted()], ids=lambda e: e.reason
)
def test_a_fixed_status_is_the_same(error: Any) -> None:
    """A prepared status is identical, byte by byte, to one made for the call."""
    status = to_status(error, code_of(type(error)), "request")
    trailers = (*status.trailing_metadata, *extra_trailers(error))
    assert FixedStatus(error).for_call("request") == (status.details, trailers)
    assert DOMAIN.encode() in dict(trailers)["grpc-status-details-bin"]
