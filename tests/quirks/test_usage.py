"""The last complete usage wins, nothing is added up, and a count that makes no sense is absent."""

import grpc
import pytest

from support.quirks import (
    DONE,
    STOP,
    Got,
    choice,
    delta,
    event,
    finish,
    player,
    response,
    text,
    usage,
)
from tokenwire.v1 import chatgpt_pb2 as pb

ONE_TWO = {"prompt_tokens": 1, "completion_tokens": 2}


def chunk_usage(prompt: object, completion: object, **fields: object) -> bytes:
    """Return a chunk with text and usage, as upstreams send that count in every chunk."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, **fields}
    return event({"choices": [{"delta": {"content": "x"}}], "usage": counts})


USAGES = {
    "after the finish reason": (
        [
            event({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": None}),
            usage(prompt_tokens=10, completion_tokens=5),
        ],
        (10, 5, 0, 0),
    ),
    "on the finish chunk": (
        [
            event(
                {
                    "choices": [
                        {"delta": {"role": "assistant", "content": None}, "finish_reason": "stop"}
                    ],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 5},
                }
            )
        ],
        (10, 5, 0, 0),
    ),
    "in the choice": (
        [
            choice(
                delta={}, finish_reason="stop", usage={"prompt_tokens": 1, "completion_tokens": 2}
            )
        ],
        (1, 2, 0, 0),
    ),
    "in x_groq": (
        [
            finish("stop"),
            event({"choices": [], "x_groq": {"usage": ONE_TWO}}),
        ],
        (1, 2, 0, 0),
    ),
    "the top level before others": (
        [
            event(
                {
                    "choices": [
                        {
                            "delta": {},
                            "finish_reason": "stop",
                            "usage": {"prompt_tokens": 7, "completion_tokens": 7},
                        }
                    ],
                    "usage": ONE_TWO,
                }
            )
        ],
        (1, 2, 0, 0),
    ),
    "in every chunk, the last counts": (
        [chunk_usage(0, 0), chunk_usage(0, 0), chunk_usage(900, 26), finish("stop")],
        (900, 26, 0, 0),
    ),
    "in every chunk, growing": (
        [chunk_usage(5, 1), chunk_usage(5, 2), chunk_usage(5, 3), finish("stop")],
        (5, 3, 0, 0),
    ),
    "in two finish chunks": (
        [
            event(
                {
                    "choices": [{"delta": {}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 5, "completion_tokens": n},
                }
            )
            for n in (2, 3)
        ],
        (5, 3, 0, 0),
    ),
    "half of it early": (
        [
            event({"choices": [], "usage": {"prompt_tokens": 11}}),
            finish("stop"),
            usage(prompt_tokens=11, completion_tokens=4),
        ],
        (11, 4, 0, 0),
    ),
    "cached tokens in the details": (
        [
            finish("stop"),
            usage(
                prompt_tokens=100,
                completion_tokens=2,
                prompt_tokens_details={"cached_tokens": 64},
            ),
        ],
        (100, 2, 64, 0),
    ),
    "cached tokens by DeepSeek's name": (
        [
            finish("stop"),
            usage(prompt_tokens=100, completion_tokens=2, prompt_cache_hit_tokens=64),
        ],
        (100, 2, 64, 0),
    ),
    "the names of Anthropic and of the responses API": (
        [
            finish("stop"),
            usage(
                input_tokens=100,
                output_tokens=9,
                input_tokens_details={"cached_tokens": 64},
                output_tokens_details={"reasoning_tokens": 5},
            ),
        ],
        (100, 9, 64, 5),
    ),
    "whole numbers with a fraction": (
        [finish("stop"), b'data: {"usage":{"prompt_tokens":12.0,"completion_tokens":3.0}}\n\n'],
        (12, 3, 0, 0),
    ),
    "reasoning beside the output, by the total": (
        [
            finish("stop"),
            usage(
                prompt_tokens=21,
                completion_tokens=0,
                total_tokens=81,
                completion_tokens_details={"reasoning_tokens": 60},
            ),
        ],
        (21, 60, 0, 60),
    ),
    "reasoning beside the output, without a total": (
        [
            finish("stop"),
            usage(prompt_tokens=21, completion_tokens=4, reasoning_tokens=60),
        ],
        (21, 60, 0, 60),
    ),
    "a chunk with a cost after it": (
        [
            finish("stop"),
            usage(prompt_tokens=1, completion_tokens=2),
            event({"choices": [], "cost": "0.01"}),
        ],
        (1, 2, 0, 0),
    ),
    "counts that make no sense": (
        [
            finish("stop"),
            usage(prompt_tokens=-1, completion_tokens=2),
            usage(prompt_tokens="12", completion_tokens=2),
            usage(prompt_tokens=True, completion_tokens=2),
            usage(prompt_tokens=1.5, completion_tokens=2),
            event({"choices": [], "usage": [1, 2]}),
        ],
        None,
    ),
    "details that make no sense": (
        [
            finish("stop"),
            usage(
                prompt_tokens=5,
                completion_tokens=2,
                total_tokens=1,
                prompt_tokens_details={"cached_tokens": 64},
                completion_tokens_details="many",
            ),
        ],
        (5, 2, 5, 0),
    ),
}


async def test_usage_is_read(subtests: pytest.Subtests) -> None:
    """Usage is read wherever it stands, in any of its known names; output includes reasoning."""
    async with player() as upstream:
        for name, (end, right) in USAGES.items():
            with subtests.test(name):
                body = [text("Hi "), *end, DONE]
                got = await upstream.play(response(*body))
                assert (got.reason, got.usage, got.requests) == ("STOP", right, 1)
                assert got.text.startswith("Hi ")
                assert all(each.content for each in upstream.answers[:-1])


UNKNOWN_OPTION = (
    b'{"detail":[{"loc":["body","stream_options"],"msg":"extra fields not permitted"}]}'
)


async def test_an_upstream_that_knows_no_stream_options() -> None:
    """With usage asked for, the upstream's rejection is reported; without, it is not asked for."""
    async with player(stream_usage=True) as upstream:
        got = await upstream.play(
            response(UNKNOWN_OPTION, status="422 Unprocessable", content_type="application/json")
        )
        assert got == Got("", "UPSTREAM_REJECTED_REQUEST", grpc.StatusCode.INTERNAL)
    async with player(stream_usage=False) as upstream:
        assert await upstream.play(response(text("x"), STOP)) == Got("x")
        assert b"stream_options" not in upstream.upstream.body


async def test_a_delta_without_text_is_no_answer() -> None:
    """A chunk that has usage and no text becomes no Answer."""
    async with player() as upstream:
        await upstream.play(response(text("x"), delta(content=""), delta(content=None), STOP))
        assert [each.content for each in upstream.answers] == ["x", ""]


async def test_audio_and_cache_writes_are_read() -> None:
    """Audio and tokens written to a cache are counted by the details' names."""
    counts = usage(
        prompt_tokens=100,
        completion_tokens=20,
        prompt_tokens_details={"audio_tokens": 30, "cached_tokens": 4, "cache_write_tokens": 50},
        completion_tokens_details={"audio_tokens": 500},
    )
    async with player() as upstream:
        await upstream.play(response(text("x"), finish("stop"), counts, DONE))
        assert upstream.answers[-1].usage == pb.Usage(
            input_tokens=100,
            output_tokens=20,
            cached_input_tokens=4,
            cache_write_input_tokens=50,
            audio_input_tokens=30,
            audio_output_tokens=20,
        )
