"""Rows 8 to 16: the upstream answers with a status of its own."""

import grpc
import pytest

from faults.world import World
from helpers import retry_delay_of

INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
INTERNAL = grpc.StatusCode.INTERNAL
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


async def test_row_14_rate_limit(world: World) -> None:
    """429 is UPSTREAM_RATE_LIMITED, and RetryInfo is the upstream's Retry-After."""
    plan = "status 429 retry-after=7 message=canary-body"
    _, error = await world.fails(plan, grpc.StatusCode.RESOURCE_EXHAUSTED, "UPSTREAM_RATE_LIMITED")
    assert retry_delay_of(error) == 7


@pytest.mark.parametrize("scenario", ["context-length", "payload-too-large"])
async def test_row_8_prompt_too_long(world: World, scenario: str) -> None:
    """A prompt over the model's context is the caller's to shorten, and is not repeated."""
    await world.fails(f"scenario {scenario}", INVALID_ARGUMENT, "PROMPT_TOO_LONG")
    assert world.upstream.requests_seen == 2  # with the warm-up
