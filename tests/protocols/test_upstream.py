"""Rows 2, 8 to 30 and 55: what an upstream sends, through each protocol."""

import pytest

from faults.test_dialects import FAILURES, SUCCESSES
from faults.test_unary_upstream import REJECTIONS
from protocols.drivers import ANSWERS, ASKING
from protocols.world import OpenProtocols

BODY = "message=canary-body"
WAITS: dict[str, tuple[tuple[str, str], float]] = {
    f"status 429 retry-after=7 {BODY}": (("RESOURCE_EXHAUSTED", "UPSTREAM_RATE_LIMITED"), 7),
    f"status 503 retry-after=3.5 {BODY}": (("UNAVAILABLE", "UPSTREAM_ERROR"), 3.5),
    f"status 409 retry-after-ms=2500 {BODY}": (("UNAVAILABLE", "UPSTREAM_CONFLICT"), 2.5),
}
"""Rows 13, 14 and 16: the wait that the upstream asks for."""


async def test_rejections(protocols: OpenProtocols) -> None:
    """Rows 8 to 16: each status of an upstream has the same code, reason and trailers."""
    world = await protocols()
    for plan, (code, reason) in REJECTIONS.items():
        await world.fails(ASKING, plan, (code.name, reason))


async def test_waits(protocols: OpenProtocols) -> None:
    """Rows 13, 14 and 16: the upstream's wait is in RetryInfo and in the trailer for retries."""
    world = await protocols()
    for plan, (ending, seconds) in WAITS.items():
        await world.fails(ASKING, plan, ending, retry_after=seconds)


async def test_failures_of_answers(protocols: OpenProtocols) -> None:
    """Rows 2, 17 to 28 and 55: an answer that fails does so in the same way, after its tokens."""
    world = await protocols()
    for plan, tokens, code, reason in FAILURES:
        if plan not in REJECTIONS:
            await world.fails(ANSWERS, plan, (code.name, reason), tokens=tokens)


async def test_complete_answers(protocols: OpenProtocols, subtests: pytest.Subtests) -> None:
    """Rows 19, 22 to 24, 27, 29 and 30: an unusual answer is whole, with its finish reason."""
    world = await protocols()
    for plan, text, finish in SUCCESSES:
        made = []
        for method in ANSWERS:
            result = await world.call(method, plan)
            made.append((method, result.ending))
            with subtests.test(method=str(method), plan=plan):
                assert result.ending == ("OK", "")
                assert "".join(result.texts) == text
                assert result.finish == finish
        await world.check(made)
