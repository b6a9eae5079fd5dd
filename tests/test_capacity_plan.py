"""The plan of docs/capacity.md: its formulas, what gives way first, and what it assumes."""

from dataclasses import replace

import grpc
import pytest

from benchmarks.capacity.bounds import bounds
from benchmarks.capacity.costs import Costs, Memory, StoreCosts
from benchmarks.capacity.facts import default_facts
from benchmarks.capacity.plan import Demand, Plan
from support.app import StartApp, Stub
from support.helpers import collect, scrape
from support.log_stream import captured
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

FACTS = default_facts()
PLAN = Plan(
    Demand(100_000),
    Costs(call=900e-6, answer=48e-6, token=2e-6, wake=60e-6),
    Memory(idle=110e6, stream=40e3, unread=100e3),
    StoreCosts(run=60e-6, entry=10e-6),
    FACTS,
)


def plan_for(streams: int) -> Plan:
    """Return the plan for another number of streams."""
    return replace(PLAN, demand=replace(PLAN.demand, streams=streams))


def test_a_plan_follows_its_formulas() -> None:
    """100,000 streams of 20 tokens/s need what the formulas of the page say."""
    assert PLAN.demand.calls_per_second == 4_000
    # 2,000,000 tokens/s of 50 µs and 4,000 calls/s of 900 µs.
    assert PLAN.cores == pytest.approx(100 + 3.6)
    assert PLAN.pods == 173
    assert PLAN.memory_bytes == pytest.approx(173 * 110e6 + 100_000 * 40e3)
    assert PLAN.nat_addresses == 4
    assert PLAN.client_connections == 173 * 1_000
    assert PLAN.descriptors_per_pod == pytest.approx(100 + 100_000 / 173 + 1_000)
    assert PLAN.pods_per_node == 15
    assert PLAN.nodes == 12
    # Two entries for each call, and one for each 128 tokens.
    assert PLAN.store_entries_per_second == pytest.approx(8_000 + 2_000_000 / 128)
    assert PLAN.store_cores == pytest.approx(23_625 * 70e-6)
    assert PLAN.store_nodes == 3
    assert PLAN.tokens_per_minute == 120e6
    assert PLAN.endpoint_slices == 2
    assert PLAN.rollout_seconds(1) == pytest.approx(173 * (5 + 35) + 35)
    assert PLAN.rollout_seconds(17) == pytest.approx(11 * (5 + 35) + 35)


def test_slow_streams_are_bounded_by_slots() -> None:
    """Streams that cost little need pods for their slots, and leases that are kept alive."""
    slow = Plan(replace(PLAN.demand, rate=1.0), PLAN.costs, PLAN.memory, PLAN.store, FACTS)
    assert slow.pods == 100_000 / FACTS.max_streams
    assert slow.store_entries_per_second == pytest.approx(2 * 200 + 100_000 / 20)


def test_more_streams_need_no_less_of_anything() -> None:
    """Pods, cores, memory, connections and entries do not fall as streams grow."""
    sizes = [plan_for(streams) for streams in (1, 10, 1_000, 30_000, 10**6, 10**7)]
    for name in (
        *("pods", "cores", "memory_bytes", "client_connections", "store_entries_per_second"),
        *("series", "dns_bytes", "endpoint_slices", "nodes", "cells", "nat_addresses"),
    ):
        needed = [getattr(plan, name) for plan in sizes]
        assert needed == sorted(needed), name


def test_a_part_gives_way_exactly_where_the_table_says() -> None:
    """Each part carries the streams of its row and not one more, and rows are in that order."""
    found = bounds(PLAN)
    carried = [streams for _, streams in found if streams is not None]
    assert carried == sorted(carried)
    assert len(carried) >= 12
    for bound, streams in found:
        if streams is not None:
            assert not bound.exceeded(plan_for(streams)), bound.part
            assert bound.exceeded(plan_for(streams + 1)), bound.part


async def test_a_pod_has_as_many_series_as_the_plan_assumes(app: App, stub: Stub) -> None:
    """The series of a server that has answered are those of the plan, within a tenth."""
    await collect(stub.Send(pb.Message(content="hello")))
    lines = [line for line in (await scrape(app)).splitlines() if not line.startswith("#")]
    assert len(lines) == pytest.approx(FACTS.series_per_pod, rel=0.1)


async def test_a_line_has_the_size_that_the_plan_assumes(start_app: StartApp) -> None:
    """The line of an answered call has the size of the plan, within a quarter."""
    with captured() as stream:
        app = await start_app()
        async with grpc.aio.insecure_channel(app.address) as channel:
            await collect(chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello")))
        await stream.entry("call ended")
        [line] = [each for each in stream.getvalue().splitlines() if '"call ended"' in each]
    assert len(line) == pytest.approx(FACTS.call_line_bytes, rel=0.25)
