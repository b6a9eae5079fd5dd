"""Calls whose request is given as bytes."""

from typing import Any, TypeAlias

import grpc

from support.helpers import reason_of
from support.world import World, assert_clean
from tokenwire.v1 import chatgpt_pb2 as pb

WARM_UP = 1
"""The number of calls that a world has made before a test receives it."""
VALID = pb.Message(content="hello", params=pb.Params(model="demo-model"))


Ending: TypeAlias = tuple[list[pb.Answer], grpc.aio.AioRpcError | None]
"""The answers of a call, and its error if it failed."""


async def send_bytes(world: World, request: bytes) -> Ending:
    """Make a call with these request bytes and return its answers and error."""
    send: Any = world.channel.unary_stream(
        "/openai.Chatgpt/Send", response_deserializer=pb.Answer.FromString
    )
    return await world.ended(send(request))


async def refused(world: World, request: bytes, reason: str) -> grpc.aio.AioRpcError:
    """Check that a request is rejected for `reason` without an upstream request."""
    return await check_refused(world, await send_bytes(world, request), reason)


async def check_refused(world: World, ending: Ending, reason: str) -> grpc.aio.AioRpcError:
    """Check that a world's first call was rejected for `reason` without an upstream request."""
    answers, error = ending
    assert answers == []
    assert error is not None
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert_clean(error.details(), error.trailing_metadata(), error.initial_metadata())
    assert world.upstream.requests_seen == WARM_UP
    await world.check(grpc.StatusCode.INVALID_ARGUMENT, reason)
    return error
