"""A server with two workers, and helpers of its tests."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import httpx2
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from support.app import MODEL, Stub
from support.helpers import collect
from support.process import ServerProcess
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

WORKERS = 2
CONNECTIONS = 40
"""Enough that both workers get some, because the kernel assigns connections at random."""
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
HELLO = pb.Message(content="hello")
STARTED = "grpc_server_started_total"
HANDLED = "grpc_server_handled_total"
IN_FLIGHT = "tokenwire_streams_in_flight"


@asynccontextmanager
async def crew(
    upstream: DemoUpstream, env: Mapping[str, str] | None = None
) -> AsyncIterator[ServerProcess]:
    """Run a server with two workers in front of `upstream`."""
    values = {
        "OPENAI_BASE_URL": upstream.base_url,
        "TOKENWIRE_MODEL": MODEL,
        "TOKENWIRE_WORKERS": str(WORKERS),
        "TOKENWIRE_DRAIN_SECONDS": "0",
    }
    async with ServerProcess(env=values | dict(env or {})) as server:
        yield server


@asynccontextmanager
async def many_stubs(server: ServerProcess) -> AsyncIterator[list[Stub]]:
    """Yield stubs, each with its own connection."""
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(
                grpc.aio.insecure_channel(
                    server.address, options=[("grpc.use_local_subchannel_pool", 1)]
                )
            )
            for _ in range(CONNECTIONS)
        ]
        yield [chatgpt_pb2_grpc.ChatgptStub(channel) for channel in channels]


async def call_all(server: ServerProcess) -> list[pb.Answer]:
    """Make a call on each of many new connections; return the last Answer of each call."""
    async with many_stubs(server) as stubs:
        calls = (collect(stub.Send(HELLO)) for stub in stubs)
        return [answers[-1] for answers in await asyncio.gather(*calls)]


@asynccontextmanager
async def held_streams(
    server: ServerProcess, upstream: DemoUpstream
) -> AsyncIterator[list[AsyncIterator[pb.Answer]]]:
    """Begin a stream on each of many connections, all of which wait at the barrier `held`."""
    upstream.script(*["tokens 1; barrier held; answer"] * CONNECTIONS)
    async with many_stubs(server) as stubs:
        calls = [aiter(stub.Send(HELLO)) for stub in stubs]
        for call in calls:
            await anext(call)
        await upstream.barrier("held").reached(CONNECTIONS)
        yield calls


async def read(server: ServerProcess, query: str = "") -> dict[str, Metric]:
    """Return the metrics by the names of their families."""
    async with httpx2.AsyncClient() as client:
        url = f"http://{server.metrics_address}/metrics{query}"
        text = (await client.get(url, headers=OPENMETRICS)).text
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call] # has no types
    return {family.name: family for family in families}


async def by_worker(server: ServerProcess, name: str, **labels: str) -> dict[str, float]:
    """Return the sums of the series with this name and these labels, by worker."""
    found: dict[str, float] = {}
    for family in (await read(server)).values():
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                worker = sample.labels["worker"]
                found[worker] = found.get(worker, 0) + sample.value
    return found


def pid_of(server: ServerProcess, worker: int) -> int:
    """Return the process id of a worker's latest process."""
    found = [
        entry["pid"]
        for entry in server.entries
        if entry["event"] == "worker serving" and entry["worker"] == worker
    ]
    pid: int = found[-1]
    return pid
