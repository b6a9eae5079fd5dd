"""Finish reasons are recognized by their meaning, in the terms of any provider."""

import json

import grpc
import pytest

from support.helpers import text_of
from support.world import World
from tokenwire.v1 import chatgpt_pb2 as pb

WHOLE = {
    "STOP": pb.FINISH_REASON_STOP,
    "eos_token": pb.FINISH_REASON_STOP,
    "end-turn": pb.FINISH_REASON_STOP,
    "MAX_TOKENS": pb.FINISH_REASON_LENGTH,
    "model_length": pb.FINISH_REASON_LENGTH,
    "tool_use": pb.FINISH_REASON_TOOL_CALLS,
    "some_new_word": pb.FINISH_REASON_OTHER,
}
BROKEN_OFF = ("error", "abort", "network_error", "insufficient_system_resource", "Cancelled")
FILTERED = ("sensitive", "SAFETY", "RECITATION", "PROHIBITED_CONTENT")


@pytest.mark.parametrize(("said", "reason"), WHOLE.items())
async def test_reasons_of_a_whole_answer(
    world: World, said: str, reason: "pb.FinishReason.ValueType"
) -> None:
    """Finish reasons match under other names, in other cases and with other separators."""
    answers = await world.succeeds(f"text a; finish {said}; done")
    assert text_of(answers) == "a"
    assert answers[-1].finish_reason == reason


@pytest.mark.parametrize("said", BROKEN_OFF)
async def test_an_answer_that_was_broken_off(world: World, said: str) -> None:
    """A finish reason that means an interruption fails the answer."""
    answers, _ = await world.fails(
        f"text half; finish {said}; usage; done", grpc.StatusCode.ABORTED, "UPSTREAM_ERROR"
    )
    assert text_of(answers) == "half"


async def test_an_answer_that_was_broken_off_before_it_began(world: World) -> None:
    """An interruption before any text is UNAVAILABLE."""
    answers, _ = await world.fails(
        "finish error; done", grpc.StatusCode.UNAVAILABLE, "UPSTREAM_ERROR"
    )
    assert not answers


@pytest.mark.parametrize("said", FILTERED)
async def test_filters(world: World, said: str) -> None:
    """A filter under any name is CONTENT_FILTERED, also before any text."""
    for before in ("text so; ", ""):
        await world.fails(
            f"{before}finish {said}; done",
            grpc.StatusCode.FAILED_PRECONDITION,
            "CONTENT_FILTERED",
        )


async def test_an_answer_that_is_not_streamed(world: World) -> None:
    """A message in one event, in place of deltas, is the answer."""
    message = {"role": "assistant", "content": "all of it"}
    completion = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    answers = await world.succeeds(f"data {json.dumps(json.dumps(completion))}; done")
    assert text_of(answers) == "all of it"
