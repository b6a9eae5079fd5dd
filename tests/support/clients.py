"""A caller that leaves retries to gRPC, as its service config lets it."""

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
    """Open a client whose gRPC library makes up to 3 attempts where a call fails with `code`."""
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
    """Return how many attempts a call took whose client retries `code`, all meeting `plan`.

    gRPC repeats an attempt only if it ended Trailers-Only: one whose response
    headers had come is committed. So this shows what no API of a client does.
    """
    before = world.upstream.requests_seen
    world.upstream.script(*[plan] * ATTEMPTS)
    async with retrying_stub(world.app.address, code) as stub:
        await failure_of(stub.Send(pb.Message(content=PROMPT)))
    return world.upstream.requests_seen - before
