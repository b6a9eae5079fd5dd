"""Generates random traffic in which most calls succeed and some fail."""

import asyncio
import random
from typing import Final

import grpc

from demo_callers import KEYS
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

LARGE: Final = "demo-large"
SMALL: Final = "demo-small"
SHARES: Final = (60, 25, 15)
"""The relative frequency of the calls of each caller."""

PLANS: Final = (
    (60, ""),
    (10, "rest; finish; usage cached=2 reasoning=1; done"),
    (8, "wait 0.8; answer"),
    (4, "tokens 12; finish length; usage; done"),
    (3, "tokens 5; reset"),
    (1, "wait 2.7; answer"),
)
"""The relative frequency of each plan of the demo upstream; docs/demo-upstream.md explains the
steps."""


async def mixed_traffic(address: str, calls_per_second: float, seed: int = 1) -> None:
    """Call the service at random intervals until cancelled.

    Args:
        address: HOST:PORT of the service.
        calls_per_second: The average number of calls per second.
        seed: The seed of the random calls; equal seeds make equal calls.
    """
    rng = random.Random(seed)  # noqa: S311 - not used for cryptography
    async with grpc.aio.insecure_channel(address) as channel, asyncio.TaskGroup() as group:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        while True:
            group.create_task(_call(stub, rng))
            await asyncio.sleep(rng.expovariate(calls_per_second))


async def _call(stub: "chatgpt_pb2_grpc.ChatgptAsyncStub", rng: random.Random) -> None:
    weights, plans = zip(*PLANS, strict=True)
    [plan] = rng.choices(plans, weights)
    content = f"Why is the sky blue? [[demo: {plan}]]" if plan else "Why is the sky blue?"
    if rng.random() < 0.03:  # noqa: PLR2004 - the share of invalid requests
        content = " "
    model = SMALL if rng.random() < 0.3 else LARGE  # noqa: PLR2004 - the share of the small model
    timeout = rng.choice((0.2, 0.6)) if rng.random() < 0.05 else None  # noqa: PLR2004 - the share
    [key] = rng.choices([*KEYS.values()], SHARES)
    message = pb.Message(content=content, params=pb.Params(model=model))
    call = stub.Send(message, metadata=(("authorization", f"Bearer {key}"),))
    try:
        async with asyncio.timeout(timeout):
            async for _ in call:
                pass
    except (grpc.aio.AioRpcError, TimeoutError):
        call.cancel()
