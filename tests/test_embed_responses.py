"""The upstream's vectors are right, or `Embed` fails."""

import base64
import json
import struct
from typing import Any

import grpc
import pytest

from support.helpers import violated_fields_of
from support.raw_upstream import Pause, Piece, Reset
from support.unary import Ending, ending_of, error_of, json_response, never, raw_server
from tokenwire.v1 import chatgpt_pb2 as pb

EMBEDDER = "demo-embedder"
HELLO = pb.EmbedRequest(texts=["hello"])
TWO = pb.EmbedRequest(texts=["a", "b"])


def item(numbers: Any, **fields: Any) -> dict[str, Any]:
    return {"object": "embedding", **fields, "embedding": numbers}


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def body(*items: Any, **fields: Any) -> bytes:
    return json.dumps({"object": "list", "data": items, "model": "m", **fields}).encode()


SHAPES = {
    "decimal numbers": body(item([1, 2.5], index=0), item([3, -4e-1], index=1)),
    "base64": body(item(packed(1, 2.5), index=0), item(packed(3, -0.4), index=1)),
    "another order": body(item([3, -0.4], index=1), item([1, 2.5], index=0)),
    "no index": body(item([1, 2.5]), item([3, -0.4])),
    "one of each": body(item([1, 2.5]), item(packed(3, -0.4))),
    "spaces": json.dumps({"data": [item([1, 2.5]), item([3, -0.4])]}, indent=4).encode(),
    "escaped slashes": body(item([1, 2.5]), item(packed(3, -0.4))).replace(b"/", b"\\/"),
    "side fields": body(item([1, 2.5]), item([3, -0.4]), usage=7, model=8, x='"embedding":['),
}
EXPECTED = [[1.0, 2.5], [3.0, struct.unpack("<f", struct.pack("<f", -0.4))[0]]]


@pytest.mark.parametrize("size", [1, 1_000_000])
async def test_vectors_are_read_in_any_shape(subtests: pytest.Subtests, size: int) -> None:
    """Vectors are ordered by their index, in either encoding, however the body arrives."""
    async with raw_server(embedding_model=EMBEDDER) as server:
        for name, data in SHAPES.items():
            with subtests.test(name=name):
                pieces = [data[at : at + size] for at in range(0, len(data), size)]
                server.play(json_response(*pieces))
                response = await server.stub.Embed(TWO)
                assert [list(each.values) for each in response.vectors] == EXPECTED


USAGE = {
    '{"prompt_tokens":7,"total_tokens":7}': 7,
    '{"input_tokens":6}': 6,
    '{"total_tokens":5.0}': 5,
    '{"prompt_tokens":0}': 0,
    "null": None,
    "{}": None,
    "7": None,
    '{"prompt_tokens":-1}': None,
}


async def test_usage_is_never_invented(subtests: pytest.Subtests) -> None:
    """Usage is that of the upstream, in any of its names, and absent without one."""
    async with raw_server(embedding_model=EMBEDDER) as server:
        for encoded, tokens in USAGE.items():
            with subtests.test(encoded=encoded):
                server.play(json_response(body(item([1]), usage=json.loads(encoded))))
                response = await server.stub.Embed(HELLO)
                assert response.HasField("usage") is (tokens is not None)
                assert response.usage.input_tokens == (tokens or 0)


PROTOCOL_ERROR = ("INTERNAL", "UPSTREAM_PROTOCOL_ERROR")
ERROR = ("UNAVAILABLE", "UPSTREAM_ERROR")
BROKEN = ("ABORTED", "UPSTREAM_STREAM_BROKEN")
TRUNCATED = ("ABORTED", "UPSTREAM_TRUNCATED")
INFINITE = base64.b64encode(struct.pack("<2f", 1, float("inf"))).decode()
NOT_A_NUMBER = base64.b64encode(struct.pack("<2f", 1, float("nan"))).decode()
ONE, OTHER = item([1, 2], index=0), item([3, 4], index=1)
RESPONSES: dict[str, tuple[list[Piece], Ending]] = {
    "too few": ([body(ONE)], PROTOCOL_ERROR),
    "too many": ([body(ONE, OTHER, item([5, 6], index=2))], PROTOCOL_ERROR),
    "ragged": ([body(ONE, item([3], index=1))], PROTOCOL_ERROR),
    "empty vectors": ([body(item([]), item([]))], PROTOCOL_ERROR),
    "no vectors": ([body()], PROTOCOL_ERROR),
    "NaN": ([body(ONE, OTHER).replace(b"4", b"NaN")], PROTOCOL_ERROR),
    "NaN in base64": ([body(ONE, item(NOT_A_NUMBER, index=1))], PROTOCOL_ERROR),
    "infinity in base64": ([body(ONE, item(INFINITE, index=1))], PROTOCOL_ERROR),
    "more than a float holds": ([body(ONE, item([1e39, 1], index=1))], PROTOCOL_ERROR),
    "more than any float holds": ([body(ONE, OTHER).replace(b"4", b"1e999")], PROTOCOL_ERROR),
    "null among numbers": ([body(ONE, item([1, None], index=1))], PROTOCOL_ERROR),
    "nested lists": ([body(ONE, item([[1], [2]], index=1))], PROTOCOL_ERROR),
    "odd base64": ([body(ONE, item("AAA", index=1))], PROTOCOL_ERROR),
    "base64 of half a number": ([body(ONE, item("AAAA", index=1))], PROTOCOL_ERROR),
    "a number for a vector": ([body(ONE, item(1, index=1))], PROTOCOL_ERROR),
    "a vector elsewhere": ([body(ONE, item(1, index=1), embedding=[1, 2])], PROTOCOL_ERROR),
    "an index twice": ([body(ONE, ONE)], PROTOCOL_ERROR),
    "an index that is missing": ([body(ONE, item([3, 4]))], PROTOCOL_ERROR),
    "an index out of range": ([body(ONE, item([3, 4], index=7))], PROTOCOL_ERROR),
    "items that are no objects": ([body(1, 2)], PROTOCOL_ERROR),
    "no list": ([b'{"data":{}}'], PROTOCOL_ERROR),
    "no object": ([b"[1]"], PROTOCOL_ERROR),
    "no JSON": ([body(ONE, OTHER) + b"}"], PROTOCOL_ERROR),
    "an error": ([b'{"error":{"message":"x","code":500}}'], ERROR),
    "nothing": ([], ("UNAVAILABLE", "UPSTREAM_TRUNCATED")),
    "an end within a vector": ([body(ONE, OTHER)[:-40]], TRUNCATED),
    "an end within an item": ([body(ONE, OTHER)[:-3]], TRUNCATED),
    "a reset": ([body(ONE, OTHER)[:-3], Reset()], BROKEN),
    "a vector without an end": (
        [b'{"data":[{"embedding":"' + b"A" * 2_000_000],
        ("INTERNAL", "UPSTREAM_RESPONSE_TOO_LARGE"),
    ),
}


async def test_responses_that_are_no_embeddings(subtests: pytest.Subtests) -> None:
    """A response that has not one finite vector of one length for each text fails the call."""
    async with raw_server(embedding_model=EMBEDDER) as server:
        for name, (pieces, ending) in RESPONSES.items():
            with subtests.test(name=name):
                server.play(json_response(*pieces))
                assert await ending_of(server.stub.Embed(TWO)) == ending


async def test_vectors_that_are_larger_than_a_response_may_be() -> None:
    """The error says how many texts fit, as soon as the length of the vectors is known."""
    first = b'{"data":[{"embedding":[' + b"1," * 2_999 + b"1]},"
    async with raw_server(embedding_model=EMBEDDER) as server:
        server.play(json_response(first, never()))
        error = await error_of(server.stub.Embed(pb.EmbedRequest(texts=["a"] * 334)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violated_fields_of(error) == ["texts"]
    assert "333" in str(error.trailing_metadata())


async def test_the_largest_response_reaches_a_client_with_default_limits() -> None:
    """Vectors of 4,000,000 bytes arrive whole."""
    data = body(*[item(packed(*[0.5] * 2_000), index=index) for index in range(500)])
    pieces = [data[at : at + 65_536] for at in range(0, len(data), 65_536)]
    async with raw_server(embedding_model=EMBEDDER) as server:
        server.play(json_response(*pieces))
        response = await server.stub.Embed(pb.EmbedRequest(texts=["a"] * 500))
    assert len(response.vectors) == 500
    assert set(response.vectors[-1].values) == {0.5}


async def test_a_model_that_ignores_the_length() -> None:
    """Vectors of another length than the caller asked for are the caller's error."""
    async with raw_server(embedding_model=EMBEDDER) as server:
        server.play(json_response(body(item([1, 2]))))
        error = await error_of(server.stub.Embed(pb.EmbedRequest(texts=["a"], dimensions=3)))
    assert violated_fields_of(error) == ["dimensions"]


SPACES: list[Piece] = [b" ", Pause(0.1)] * 9
TIMEOUTS = {"first_token_timeout_seconds": 0.5, "idle_timeout_seconds": 0.5}
TIMED_OUT = ("UNAVAILABLE", "UPSTREAM_TIMEOUT")


async def test_an_upstream_that_stalls(subtests: pytest.Subtests) -> None:
    """The limit of the first token applies to the first byte, and the idle limit after it."""
    cases: dict[str, tuple[list[Piece], Ending]] = {
        "before the head": ([never()], TIMED_OUT),
        "before the body": (json_response(never()), TIMED_OUT),
        "after white space": (json_response(*SPACES), TIMED_OUT),
        "in the body": (json_response(b"{", never()), ("ABORTED", "UPSTREAM_IDLE_TIMEOUT")),
    }
    async with raw_server(embedding_model=EMBEDDER, **TIMEOUTS) as server:
        for name, (pieces, ending) in cases.items():
            with subtests.test(name=name):
                server.play(pieces)
                assert await ending_of(server.stub.Embed(HELLO)) == ending


DRIP: list[Piece] = [b"x", Pause(0.02)] * 500


async def test_an_endless_drip_ends() -> None:
    """A response that never ends is cut off by the limit of a whole answer."""
    async with raw_server(embedding_model=EMBEDDER, stream_timeout_seconds=0.5) as server:
        server.play(json_response(b'{"x":"', *DRIP))
        assert await ending_of(server.stub.Embed(HELLO)) == ("ABORTED", "STREAM_DURATION_LIMIT")
