"""Calls that hold the slots of a server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from support.helpers import collect
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream


@asynccontextmanager
async def held(upstream: DemoUpstream, server: App, slots: int) -> AsyncIterator[None]:
    """Hold slots of a server with calls of another client for the duration of the block."""
    upstream.script(*["barrier hold; answer"] * slots)
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub: chatgpt_pb2_grpc.ChatgptAsyncStub = chatgpt_pb2_grpc.ChatgptStub(channel)
        message = pb.Message(content="hello")
        calls = [asyncio.create_task(collect(stub.Send(message))) for _ in range(slots)]
        await upstream.barrier("hold").reached(slots)
        yield
        upstream.barrier("hold").release()
        await asyncio.gather(*calls)
