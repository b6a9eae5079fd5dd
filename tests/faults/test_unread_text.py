"""Rows 17 and 19: a connection that breaks while what has arrived of an answer is not read yet."""

import grpc
import pytest

from support.helpers import text_of
from support.world import World

TOKENS = 150
"""Their events fill several reads, and fit into the receive buffer of the connection."""
ENDS = ("reset", "close")


@pytest.mark.parametrize("end", ENDS)
async def test_row_17_text_before_a_break(world: World, end: str) -> None:
    """All text that has arrived reaches the caller before the failure."""
    answers, _ = await world.fails(
        f"filler {TOKENS}; {end}", grpc.StatusCode.ABORTED, "UPSTREAM_STREAM_BROKEN"
    )
    assert len(text_of(answers).split()) == TOKENS


@pytest.mark.parametrize("end", ENDS)
async def test_row_19_an_answer_before_a_break(world: World, end: str) -> None:
    """An answer that has arrived as a whole is complete."""
    answers = await world.succeeds(f"filler {TOKENS}; finish; usage; {end}")
    assert len(text_of(answers).split()) == TOKENS
    assert answers[-1].usage.output_tokens
