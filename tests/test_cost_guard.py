"""What a token costs, held to what was recorded: tests/cost.json, by `make record-costs`."""

import asyncio
import json

import pytest

import cost

ALLOWED_RISE = 1.1
NOTHING = 0.05
"""A figure below this is none: some are zero but for an odd allocation."""


RECORDED: dict[str, float] = json.loads(cost.RECORD.read_text())


@pytest.fixture(scope="module")
def found() -> dict[str, float]:
    return asyncio.run(cost.measure())


@pytest.mark.parametrize("name", RECORDED)
def test_costs_no_more_than_recorded(name: str, found: dict[str, float]) -> None:
    """A count that does not depend on the machine has not risen by more than a tenth."""
    assert found[name] <= RECORDED[name] * ALLOWED_RISE + NOTHING, (
        f"{name}: {found[name]:.3f}, recorded {RECORDED[name]}; "
        "if that is worth it, `make record-costs`"
    )
