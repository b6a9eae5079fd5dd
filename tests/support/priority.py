"""A server with a gateway file, callers of two priorities and few slots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from support.app import Stub
from support.gateway import GatewayWorld, gateway_world
from support.helpers import reason_of
from support.waiting import within
from tokenwire.cli.keys import hash_of
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

OVERLOADED = ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED")
MODELS: dict[str, Any] = {"fast": {"routes": "one/a"}}
NAMES = ("team", "other", "batch", "nightly")
LOW = {"batch", "nightly"}
OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)


def callers(low: Iterable[str] = LOW) -> dict[str, Any]:
    """Return the callers of a file, of which some have low priority."""
    return {
        name: {"keys": [hash_of(key_of(name))], **({"priority": "low"} if name in low else {})}
        for name in NAMES
    }


def key_of(name: str) -> str:
    """Return the key of a caller."""
    return f"tw_{name}_canary"


def bearer(name: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a caller."""
    return (("authorization", f"Bearer {key_of(name)}"),)


@dataclass(frozen=True)
class CallerCrowd:
    """Callers of a server with few slots.

    Attributes:
        world: The server.
    """

    world: GatewayWorld

    async def ends(self, name: str, stub: Stub | None = None) -> tuple[str, str]:
        """Make a call of a caller, whose text is the caller's name; return how it ended."""
        stub = stub or self.world.stub
        try:
            await stub.Ask(pb.Message(content=name), metadata=bearer(name))
        except grpc.aio.AioRpcError as error:
            return error.code().name, reason_of(error)
        return "OK", ""

    async def hold(self, *names: str) -> list[asyncio.Task[tuple[str, str]]]:
        """Occupy slots with calls of callers, until `release`."""
        upstream = self.world.upstreams["one"]
        upstream.script(*["barrier hold; answer"] * len(names))
        held = [asyncio.create_task(self.ends(name)) for name in names]
        await upstream.barrier("hold").reached(len(names))
        return held

    def release(self) -> None:
        """Let the held calls end."""
        self.world.upstreams["one"].barrier("hold").release()

    async def queued(
        self, length: int, name: str, stub: Stub | None = None
    ) -> asyncio.Task[tuple[str, str]]:
        """Begin a call, and return once the queue is `length` calls long."""
        call = asyncio.create_task(self.ends(name, stub))
        await self.queue_is(length)
        return call

    async def queue_is(self, length: int) -> None:
        """Wait until the queue is `length` calls long."""
        await within(10, f"{length} queued", lambda: self.value("tokenwire_queue_length") == length)

    def value(self, metric: str, **labels: str) -> float | None:
        """Return the value of a metric."""
        return self.world.app.metrics.registry.get_sample_value(metric, labels)

    def order(self) -> list[str]:
        """Return the callers of the calls that the upstream has received, in their order."""
        requests = self.world.upstreams["one"].requests
        return [request.body["messages"][-1]["content"] for request in requests]

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Stub]:
        """Open a further connection."""
        address = self.world.app.address
        async with grpc.aio.insecure_channel(address, options=[OWN_CONNECTION]) as channel:
            await channel.channel_ready()
            yield chatgpt_pb2_grpc.ChatgptStub(channel)


@asynccontextmanager
async def caller_crowd(folder: Path, **settings: Any) -> AsyncIterator[CallerCrowd]:
    """Start a server with one slot and a queue with a long timeout.

    Args:
        folder: The folder of the gateway file.
        settings: Further settings of the server.
    """
    few = {"max_streams": 1, "max_queue": 3, "queue_timeout_seconds": 30}
    async with gateway_world(
        folder, MODELS, {"one": {}}, callers=callers(), **(few | settings)
    ) as world:
        yield CallerCrowd(world)
