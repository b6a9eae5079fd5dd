"""A response of the upstream's tokenizer is a count, or `CountTokens` fails."""

import pytest

from support.raw_upstream import Pause, Piece, Reset
from support.unary import Ending, ending_of, json_response, never, raw_server
from tokenwire.v1 import chatgpt_pb2 as pb

HELLO = pb.Message(content="hello")


COUNTED = b'{"count": 7, "max_model_len": 9, "tokens": [1, 2]}'
TOKENS_FIRST = b'{"tokens":[' + b"1," * 100_000 + b'1],"token_strs":null,"count":100001}'
SHAPES = {COUNTED: 7, TOKENS_FIRST: 100_001, b'{"count":12.0}': 12, b' \n{"count":0}': 0}


async def test_a_count_is_read_in_any_shape(subtests: pytest.Subtests) -> None:
    """The fields may have any order, and the tokens any number."""
    async with raw_server(tokenizer="vllm") as server:
        for body, tokens in SHAPES.items():
            with subtests.test(body=body[:40]):
                server.play(json_response(body))
                count = await server.stub.CountTokens(HELLO)
                assert count == pb.TokenCount(input_tokens=tokens)


PROTOCOL_ERROR = ("INTERNAL", "UPSTREAM_PROTOCOL_ERROR")
BROKEN = ("ABORTED", "UPSTREAM_STREAM_BROKEN")
TRUNCATED = ("ABORTED", "UPSTREAM_TRUNCATED")
ERROR = ("UNAVAILABLE", "UPSTREAM_ERROR")
TOO_LARGE = ("INTERNAL", "UPSTREAM_RESPONSE_TOO_LARGE")
RESPONSES: dict[str, tuple[list[Piece], Ending]] = {
    "no count": ([b"{}"], PROTOCOL_ERROR),
    "a count below zero": ([b'{"count":-1}'], PROTOCOL_ERROR),
    "a count that is no number": ([b'{"count":"7"}'], PROTOCOL_ERROR),
    "a huge count": ([b'{"count":1e300}'], PROTOCOL_ERROR),
    "no object": ([b"[7]"], PROTOCOL_ERROR),
    "no JSON": ([b"{count: 7}"], PROTOCOL_ERROR),
    "no UTF-8": ([b'{"count":7,"x":"\xff"}'], PROTOCOL_ERROR),
    "deep JSON": ([b'{"x":' + b"[" * 100_000], PROTOCOL_ERROR),
    "nothing": ([], ("UNAVAILABLE", "UPSTREAM_TRUNCATED")),
    "an end within the JSON": ([b'{"count":7,'], TRUNCATED),
    "an end within the tokens": ([b'{"count":7,"tokens":[1,'], TRUNCATED),
    "a reset": ([b'{"count":7,', Reset()], BROKEN),
    "an error": ([b'{"error":{"message":"x","code":500}}'], ERROR),
    "an error in other words": ([b'{"object":"error","message":"x","code":500}'], ERROR),
    "a large rest": ([b'{"x":"' + b"x" * 2_000_000], TOO_LARGE),
}


async def test_responses_that_are_no_count(subtests: pytest.Subtests) -> None:
    """A response that is no count fails the call, as an answer that is none."""
    async with raw_server(tokenizer="vllm") as server:
        for name, (pieces, ending) in RESPONSES.items():
            with subtests.test(name=name):
                server.play(json_response(*pieces))
                assert await ending_of(server.stub.CountTokens(HELLO)) == ending


async def test_a_short_body_is_broken() -> None:
    """A body shorter than its declared length fails the call."""
    async with raw_server(tokenizer="vllm") as server:
        server.play(json_response(COUNTED, length=1_000))
        assert await ending_of(server.stub.CountTokens(HELLO)) == BROKEN


TIMEOUTS = {"first_token_timeout_seconds": 0.5, "idle_timeout_seconds": 0.5}
SPACES: list[Piece] = [b" ", Pause(0.1)] * 9
TIMED_OUT = ("UNAVAILABLE", "UPSTREAM_TIMEOUT")


async def test_an_upstream_that_stalls(subtests: pytest.Subtests) -> None:
    """The limit of the first token applies to the first byte, and the idle limit after it."""
    cases: dict[str, tuple[list[Piece], Ending]] = {
        "before the head": ([never()], TIMED_OUT),
        "before the body": (json_response(never()), TIMED_OUT),
        "after white space": (json_response(*SPACES), TIMED_OUT),
        "in the body": (json_response(b'{"count"', never()), ("ABORTED", "UPSTREAM_IDLE_TIMEOUT")),
    }
    async with raw_server(tokenizer="vllm", **TIMEOUTS) as server:
        for name, (pieces, ending) in cases.items():
            with subtests.test(name=name):
                server.play(pieces)
                assert await ending_of(server.stub.CountTokens(HELLO)) == ending
