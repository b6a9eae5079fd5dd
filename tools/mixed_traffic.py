"""A little mixed traffic: most calls go well, some do not, as on any day."""

import asyncio
import random
from typing import Final

import grpc

from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

LARGE: Final = "demo-large"
SMALL: Final = "demo-small"
PRICES: Final = f"{LARGE}=3:15:0.3,{SMALL}=0.15:0.6"

PLANS: Final = (
    (60, ""),
    (10, "rest; finish; usage cached=2 reasoning=1; done"),
    (8, "wait 0.8; answer"),
    (4, "tokens 12; finish length; usage; done"),
    (3, "tokens 5; reset"),
    (3, "status 500"),
    (2, "status 429 retry-after=1"),
    (1, "wait 2.7; answer"),
)
"""How often, and what the upstream then does; docs/demo-upstream.md explains the steps."""


async def mixed_traffic(address: str, calls_per_second: float, seed: int = 1) -> None:
    """Call the service again and again until cancelled.

    Args:
        address: HOST:PORT of the service.
        calls_per_second: How many calls begin in a second, on average.
        seed: The same seed makes the same calls.
    """
    choose = random.Random(seed)  # noqa: S311 - random traffic is no secret
    async with grpc.aio.insecure_channel(address) as channel, asyncio.TaskGroup() as group:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        while True:
            group.create_task(_call(stub, choose))
            await asyncio.sleep(choose.expovariate(calls_per_second))


async def _call(stub: "chatgpt_pb2_grpc.ChatgptAsyncStub", choose: random.Random) -> None:
    weights, plans = zip(*PLANS, strict=True)
    [plan] = choose.choices(plans, weights)
    content = f"Why is the sky blue? [[demo: {plan}]]" if plan else "Why is the sky blue?"
    if choose.random() < 0.03:  # noqa: PLR2004 - the callers' own mistakes
        content = " "
    model = SMALL if choose.random() < 0.3 else LARGE  # noqa: PLR2004 - the lesser part
    patience = choose.choice((0.2, 0.6)) if choose.random() < 0.05 else None  # noqa: PLR2004 - few
    call = stub.Send(pb.Message(content=content, params=pb.Params(model=model)))
    try:
        async with asyncio.timeout(patience):
            async for _ in call:
                pass
    except (grpc.aio.AioRpcError, TimeoutError):
        call.cancel()
