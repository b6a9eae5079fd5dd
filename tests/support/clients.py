"""A caller that leaves retries to gRPC, by its service config."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from support.app import Stub
from support.helpers import failure_of
from support.world import PROMPT, World
from tokenwire.api.chatgpt.service import SERVICE
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

ATTEMPTS = 3


@asynccontextmanager
async def retrying_stub(address: str, code: grpc.StatusCode) -> AsyncIterator[Stub]:
    """Open a client whose gRPC library makes up to 3 attempts of a call that fails with `code`."""
    policy = {
        "maxAttempts": ATTEMPTS,
        "initialBackoff": "0.01s",
        "maxBackoff": "0.01s",
        "backoffMultiplier": 1,
        "retryableStatusCodes": [code.name],
    }
    config = {"methodConfig": [{"name": [{"service": SERVICE}], "retryPolicy": policy}]}
    options = (("grpc.service_config", json.dumps(config)),)
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield chatgpt_pb2_grpc.ChatgptStub(channel)


async def attempts(world: World, plan: str, code: grpc.StatusCode) -> int:
    """Return the number of attempts of a call whose client retries `code`, all answered by `plan`.

    gRPC retries an attempt only if it ended Trailers-Only; an attempt with response headers is
    committed. No API of a client exposes this, so the attempts are counted.
    """
    before = world.upstream.requests_seen
    world.upstream.script(*[plan] * ATTEMPTS)
    async with retrying_stub(world.app.address, code) as stub:
        await failure_of(stub.Send(pb.Message(content=PROMPT)))
    return world.upstream.requests_seen - before
