"""Rows 20, 22 and 26: JSON that is expensive or dangerous to decode."""

import json
import time

import grpc
import pytest

from support.helpers import text_of
from support.world import World
from tokenwire.core import errors
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.openai import chunks

NAME_BYTES = 256
"""The longest model or id that is forwarded."""


def chunk(usage: str = "null", more: str = "") -> str:
    """Return a step that sends a chunk with the text "a"."""
    data = '{"choices":[{"delta":{"content":"a"}}],"usage":' + usage + more + "}"
    return f"data {json.dumps(data)}"


@pytest.mark.parametrize(
    "usage",
    [
        "1e999",
        '{"prompt_tokens":1e999,"completion_tokens":1}',
        '{"prompt_tokens":18446744073709551616,"completion_tokens":1}',
        '{"prompt_tokens":9007199254740993,"completion_tokens":1}',
        f'{{"prompt_tokens":1{"0" * 5000},"completion_tokens":1}}',
        '{"prompt_tokens":-1,"completion_tokens":1}',
        '{"prompt_tokens":true,"completion_tokens":1}',
        '{"prompt_tokens":"1","completion_tokens":1}',
        '{"prompt_tokens":1}',
        "[]",
        '"none"',
        f"[{'[],' * 10_000}0]",
    ],
)
async def test_row_22_usage_that_is_none(world: World, usage: str) -> None:
    """Invalid token counts are ignored, and the answer succeeds."""
    answers = await world.succeeds(f"{chunk(usage)}; finish; done")
    assert text_of(answers) == "a"
    assert not answers[-1].HasField("usage")


async def test_row_22_the_largest_usage(world: World) -> None:
    """A token count of up to 2**53 is forwarded exactly."""
    usage = '{"prompt_tokens":1,"prompt_tokens":9007199254740992,"completion_tokens":7}'
    [*_, last] = await world.succeeds(f"{chunk(usage)}; finish; done")
    assert (last.usage.input_tokens, last.usage.output_tokens) == (2**53, 7)


@pytest.mark.parametrize(
    "more",
    [
        f',"x":{"[" * 100_000}{"]" * 100_000}',
        f',"x":{"[" * 100_000}',
        f',"error":{"[" * 5_000}{"]" * 5_000}',
        ',"choices":' + '[{"delta":' * 5_000,
    ],
)
async def test_row_20_nested_without_end(world: World, more: str) -> None:
    """JSON that is nested too deeply is a protocol error."""
    await world.fails(
        f"{chunk(more=more)}; finish; done",
        grpc.StatusCode.INTERNAL,
        "UPSTREAM_PROTOCOL_ERROR",
    )


@pytest.mark.parametrize("field", ["model", "id"])
async def test_row_26_a_name_without_end(world: World, field: str) -> None:
    """A model or id over NAME_BYTES is dropped, and the answer succeeds."""
    fits, does_not = "é" * (NAME_BYTES // 2), "é" * (NAME_BYTES // 2) + "x"
    for name, expected in ((fits, fits), (does_not, ""), ("x" * 900_000, "")):
        begin = chunk(more=f',"{field}":{json.dumps(name)}')
        end = 'data {"choices":[{"finish_reason":"stop"}]}; done'
        answers = await world.succeeds(f"{begin}; {end}")
        assert text_of(answers) == "a"
        assert getattr(answers[-1], field) == expected


@pytest.mark.parametrize("field", ["usage", "error", "x"])
def test_row_26_many_small_values(field: str) -> None:
    """An event with many empty lists takes little time, because the lists are not built."""
    event = Event(b"", f'{{"{field}":[{"[]," * 300_000}0]}}'.encode())
    answer = chunks.ChunkReader()
    started = time.process_time()
    if field == "error":
        with pytest.raises(errors.UpstreamError):
            chunks.decode(event)
    else:
        answer.add(event)
    assert time.process_time() - started < 0.1
