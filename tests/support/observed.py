"""Servers that a real Prometheus scrapes, under traffic with known token counts.

The two servers belong to one job, as pods do: one process with TLS, and one with two workers.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

from prometheus_server import RULES, Prometheus
from support.app import MODEL
from support.certificates import Pair, mounted
from support.crew import crew
from support.health import health_of
from support.helpers import collect, failure_of
from tokenwire import config
from tokenwire.app import App
from tokenwire.routing.budget import RETRY_COST
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

JOB = "tokenwire"
PRICED = "priced"
HELLO = pb.Message(content="hello")
WHOLE = "tokens 3; finish; usage 10 3 4 1; done"
SLOW = "wait 1.2; tokens 1; wait 1.5; tokens 1; finish length; usage 1000 2 200; done"
"""The first token after 1.2 s, the next after 1.5 s, both far from the bounds of their buckets."""
LATE = f"wait 2.6; {WHOLE}"
"""Later than the objective of 2.5 s."""


@asynccontextmanager
async def observed(folder: Path) -> AsyncIterator[Prometheus]:
    """Run both servers under Prometheus, make all calls, and wait until they are scraped."""
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(DemoUpstream()) for _ in range(2)]
        pair = Pair()
        mount = mounted(folder / "certificates", pair)
        app = await stack.enter_async_context(
            App(
                config.load(
                    base_url=first.base_url,
                    model=MODEL,
                    models=PRICED,
                    prices=f"{PRICED}=1:2:0.5",
                    listen="127.0.0.1:0",
                    metrics_listen="127.0.0.1:0",
                    drain_seconds=0,
                    grace_seconds=5,
                    max_streams=2,
                    **mount.settings,
                )
            )
        )
        env = {"TOKENWIRE_MODELS": PRICED, "TOKENWIRE_PRICES": f"{PRICED}=1:2:0.5"}
        server = await stack.enter_async_context(crew(second, env))
        targets = {JOB: [app.metrics_address, server.metrics_address]}
        prometheus = await stack.enter_async_context(Prometheus(folder, targets, RULES, interval=1))
        await prometheus.scraped()  # so that every counter is first seen at 0
        await asyncio.gather(
            calls(app.address, first, pair.authority), calls(server.address, second)
        )
        await retry_and_refuse(app.address, first, pair.authority)
        await prometheus.scraped()
        yield prometheus


@asynccontextmanager
async def connected(
    address: str, authority: bytes | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    """Yield a separate connection, which any worker may accept."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with AsyncExitStack() as stack:
        if authority is None:
            opened = grpc.aio.insecure_channel(address, options)
        else:
            credentials = grpc.ssl_channel_credentials(authority)
            opened = grpc.aio.secure_channel(address, credentials, options)
        yield await stack.enter_async_context(opened)


@asynccontextmanager
async def caller(
    address: str, authority: bytes | None = None
) -> AsyncIterator["chatgpt_pb2_grpc.ChatgptAsyncStub"]:
    """Yield a client with a separate connection, which any worker may accept."""
    async with connected(address, authority) as channel:
        yield chatgpt_pb2_grpc.ChatgptStub(channel)


async def calls(address: str, upstream: DemoUpstream, authority: bytes | None = None) -> None:
    """Make 19 calls: 13 that succeed, and one or two of every other kind."""
    for plan in [WHOLE] * RETRY_COST + [LATE]:
        upstream.script(plan)
        async with caller(address, authority) as stub:
            await collect(stub.Send(HELLO))
    for _ in range(2):
        upstream.script(SLOW)
        async with caller(address, authority) as stub:
            await collect(stub.Send(pb.Message(content="hello", params=pb.Params(model=PRICED))))
    async with connected(address, authority) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        upstream.script("tokens 2; reset")
        await failure_of(stub.Send(HELLO))
        upstream.script("tokens 1; stall")
        streaming = stub.Send(HELLO)
        await streaming.read()
        # The server sees the end of its write before it sees a later call of the connection. A
        # caller that left during the write has not waited for a token.
        await health_of(channel).Check(health_pb2.HealthCheckRequest())
        streaming.cancel()
        await upstream.wait_until_idle()
        upstream.script("barrier asked; answer")
        waiting = stub.Send(HELLO)
        await upstream.barrier("asked").reached()
        waiting.cancel()
        await upstream.wait_until_idle()
        upstream.script("tokens 1; stall")
        await failure_of(stub.Send(HELLO, timeout=0.5))
        await upstream.wait_until_idle()
        upstream.script("finish content_filter")
        await failure_of(stub.Send(HELLO))
        await failure_of(stub.Send(pb.Message(content=" ")))


async def retry_and_refuse(address: str, upstream: DemoUpstream, authority: bytes) -> None:
    """Make a call that is retried, two that fill the server, and one that is rejected."""
    async with caller(address, authority) as stub:
        upstream.script("status 500", WHOLE)
        await collect(stub.Send(HELLO))
        upstream.script(*[f"barrier full; {WHOLE}"] * 2)
        running = [asyncio.create_task(collect(stub.Send(HELLO))) for _ in range(2)]
        await upstream.barrier("full").reached(2)
        await failure_of(stub.Send(HELLO))
        upstream.barrier("full").release()
        await asyncio.gather(*running)
