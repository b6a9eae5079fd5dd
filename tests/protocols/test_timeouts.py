"""Rows 1 and 3 to 7: an upstream that does not answer, through each protocol."""

import asyncio

from faults.test_dialects import TIMEOUTS
from protocols.calls import assert_fails
from protocols.drivers import ANSWERS, ASKING
from protocols.world import OpenProtocols, ProtocolWorld

SECONDS = 0.4


async def test_row_1_unreachable(protocols: OpenProtocols) -> None:
    """An upstream that nothing listens for fails each method in the same way."""
    world = await protocols(base_url="http://127.0.0.1:1/v1")
    await world.fails(ASKING, "answer", ("UNAVAILABLE", "UPSTREAM_UNREACHABLE"))


async def time_out(world: ProtocolWorld, plan: str, ending: tuple[str, str], tokens: int) -> None:
    """Check how a call of each method ends whose upstream does not go on."""
    upstream = world.world.upstream
    before = upstream.requests_seen
    upstream.script(*[plan] * len(ANSWERS))
    results = await asyncio.gather(*(world.call(method) for method in ANSWERS))
    for method, result in zip(ANSWERS, results, strict=True):
        with world.subtests.test(method=str(method), plan=plan):
            assert_fails(method, result, ending)
            words = len("".join(result.texts).split())
            assert words == (tokens if method.streams else 0)
    endings = [result.ending for result in results]
    await world.check(zip(ANSWERS, endings, strict=True))
    outcomes = {request.outcome for request in upstream.requests[before:]}
    assert outcomes == {"client gone"}


async def test_rows_3_to_6_silence(protocols: OpenProtocols) -> None:
    """A silent upstream is left by the timeout of the first token or of the next one."""
    limits = {"first_token_timeout_seconds": SECONDS, "idle_timeout_seconds": SECONDS}
    world = await protocols(**limits)
    await world.warm_up(len(ANSWERS))
    for plan, tokens, code, reason in TIMEOUTS:
        await time_out(world, plan, (code.name, reason), tokens)


async def test_row_7_too_long(protocols: OpenProtocols) -> None:
    """An answer that does not end in time is ended, with and without a token."""
    world = await protocols(stream_timeout_seconds=SECONDS)
    await world.warm_up(len(ANSWERS))
    await time_out(world, "tokens 2; stall", ("ABORTED", "STREAM_DURATION_LIMIT"), 2)
    await time_out(world, "stall", ("UNAVAILABLE", "STREAM_DURATION_LIMIT"), 0)
