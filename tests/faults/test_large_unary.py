"""Row 48 for unary methods: the largest allowed requests do not block other calls."""

import base64
import json
import math
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import pytest

from faults.test_large_requests import ALLOWED, ATTEMPTS, LARGEST, LONGEST_ROUND, text
from support.bare_server import longest_round
from support.loop_watch import watch_loop
from support.unary import RawServer, json_response, raw_server
from tokenwire.v1 import chatgpt_pb2 as pb

TOKENS: Final = b'{"tokens":[' + b"100000," * 1_000_000 + b'1],"count":1000001}'
"""A count of the tokens of 4 MiB of text."""


async def shortest_block(
    call: Callable[[], Awaitable[object]], allowed: float = LONGEST_ROUND
) -> float:
    """Return the longest time for which a call blocks others, of the best of several attempts."""
    longest: list[float] = []
    while min(longest, default=math.inf) >= allowed and len(longest) < ATTEMPTS:
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


async def assert_counts_fast(server: RawServer, request: bytes | pb.Message) -> None:
    """Check that counting the tokens of a request blocks other calls for less than 20 ms.

    The request is serialized before: the client shares the loop that is watched. With data, gRPC
    alone takes most of the time, as for `Send`.
    """
    data = request if isinstance(request, bytes) else request.SerializeToString()
    allowed = LONGEST_ROUND
    if len(data) > LARGEST:
        allowed += await longest_round(data, ATTEMPTS)
    method: Any = server.channel.unary_unary("/openai.Chatgpt/CountTokens")
    assert await shortest_block(lambda: method(data), allowed) < allowed


@pytest.mark.parametrize("request_", ALLOWED.values(), ids=ALLOWED)
async def test_counting_blocks_nobody(server: RawServer, request_: bytes | pb.Message) -> None:
    """Asking the upstream's tokenizer blocks other calls for less than 20 ms."""
    server.play(json_response(b'{"count":7}'))
    await assert_counts_fast(server, request_)


@pytest.mark.parametrize("request_", ALLOWED.values(), ids=ALLOWED)
async def test_estimating_blocks_nobody(
    estimating: RawServer, request_: bytes | pb.Message
) -> None:
    """Estimating blocks other calls for less than 20 ms."""
    await assert_counts_fast(estimating, request_)


async def test_a_million_tokens_block_nobody(server: RawServer) -> None:
    """A response with a million tokens blocks other calls for less than 20 ms."""
    # In pieces, because the upstream's own write would block the loop that it shares.
    pieces = [TOKENS[at : at + 65_536] for at in range(0, len(TOKENS), 65_536)]
    server.play(json_response(*pieces))
    longest = await shortest_block(lambda: server.stub.CountTokens(pb.Message(content="hello")))
    assert longest < LONGEST_ROUND


TEXTS: Final = {
    "one long text": pb.EmbedRequest(texts=[text("x")]),
    "one long text of characters that JSON escapes": pb.EmbedRequest(texts=[text("\x01")]),
    "one long text of four bytes": pb.EmbedRequest(texts=[text("\U0001f600")]),
    "many texts": pb.EmbedRequest(texts=["x" * 2_000] * 2_048),
    "many short texts": pb.EmbedRequest(texts=["x"] * 2_048),
}


def embeddings(encoded: str, texts: int) -> list[bytes]:
    """Return the pieces of a response with this vector for each text."""
    items = ",".join(f'{{"index":{index},"embedding":{encoded}}}' for index in range(texts))
    body = f'{{"data":[{items}]}}'.encode()
    return [body[at : at + 65_536] for at in range(0, len(body), 65_536)]


@pytest.mark.parametrize("request_", TEXTS.values(), ids=TEXTS)
async def test_large_texts_block_nobody(server: RawServer, request_: pb.EmbedRequest) -> None:
    """Asking for the embeddings of the largest requests blocks others for less than 20 ms."""
    server.play(json_response(*embeddings("[1]", len(request_.texts))))
    request_.model = "m"
    assert await shortest_block(lambda: server.stub.Embed(request_)) < LONGEST_ROUND


NUMBERS: Final = 2_000
VECTORS: Final = {
    "base64": json.dumps(base64.b64encode(struct.pack("<f", 0.1) * NUMBERS).decode()),
    "decimal numbers": json.dumps([0.12345678901234567] * NUMBERS),
}


@pytest.mark.parametrize("encoded", VECTORS.values(), ids=VECTORS)
async def test_large_vectors_block_nobody(server: RawServer, encoded: str) -> None:
    """The largest response, in either encoding, blocks others for less than 20 ms."""
    pieces = embeddings(encoded, 500)
    server.play(json_response(*pieces))
    request = pb.EmbedRequest(texts=["a"] * 500, model="m")
    call: Any = server.channel.unary_unary(
        "/openai.Chatgpt/Embed", request_serializer=pb.EmbedRequest.SerializeToString
    )
    # The client does not parse the response, because it shares the loop that is watched.
    assert await shortest_block(lambda: call(request)) < LONGEST_ROUND
