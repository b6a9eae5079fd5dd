"""Row 48 for unary methods: the largest allowed requests do not block other calls."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import pytest

from faults.test_large_requests import ALLOWED, ATTEMPTS, LONGEST_ROUND
from support.loop_watch import watch_loop
from support.unary import RawServer, json_response, raw_server
from tokenwire.v1 import chatgpt_pb2 as pb

TOKENS: Final = b'{"tokens":[' + b"100000," * 1_000_000 + b'1],"count":1000001}'
"""A count of the tokens of 4 MiB of text."""


async def shortest_block(call: Callable[[], Awaitable[object]]) -> float:
    """Return the longest time for which a call blocks others, of the best of several attempts."""
    longest: list[float] = []
    while min(longest, default=math.inf) >= LONGEST_ROUND and len(longest) < ATTEMPTS:
        with watch_loop() as watch:
            await call()
        longest.append(watch.longest)
    return min(longest)


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server(tokenizer="vllm") as running:
        running.upstream.keep_body = False
        yield running


@pytest.fixture
async def estimating() -> AsyncIterator[RawServer]:
    async with raw_server() as running:
        yield running


def message_of(request: bytes | pb.Message) -> pb.Message:
    return request if isinstance(request, pb.Message) else pb.Message.FromString(request)


@pytest.mark.parametrize("request_", ALLOWED.values(), ids=ALLOWED)
async def test_counting_blocks_nobody(server: RawServer, request_: bytes | pb.Message) -> None:
    """Asking the upstream's tokenizer blocks other calls for less than 20 ms."""
    server.play(json_response(b'{"count":7}'))
    message = message_of(request_)
    assert await shortest_block(lambda: server.stub.CountTokens(message)) < LONGEST_ROUND


@pytest.mark.parametrize("request_", ALLOWED.values(), ids=ALLOWED)
async def test_estimating_blocks_nobody(
    estimating: RawServer, request_: bytes | pb.Message
) -> None:
    """Estimating blocks other calls for less than 20 ms."""
    message = message_of(request_)
    assert await shortest_block(lambda: estimating.stub.CountTokens(message)) < LONGEST_ROUND


async def test_a_million_tokens_block_nobody(server: RawServer) -> None:
    """A response with a million tokens blocks other calls for less than 20 ms."""
    # In pieces, because the upstream's own write would block the loop that it shares.
    pieces = [TOKENS[at : at + 65_536] for at in range(0, len(TOKENS), 65_536)]
    server.play(json_response(*pieces))
    longest = await shortest_block(lambda: server.stub.CountTokens(pb.Message(content="hello")))
    assert longest < LONGEST_ROUND
