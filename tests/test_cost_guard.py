"""The cost of a token, compared with tests/cost.json, which `make record-costs` writes."""

import asyncio
import json

import pytest

from support import cost

ALLOWED_RISE = 1.1
LEEWAY = {"memory": 0.5, "messages": 0.01}
"""Random variation, such as an extra allocation or a block of events that takes two reads."""

RECORDED: dict[str, float] = json.loads(cost.RECORD.read_text())


@pytest.fixture(scope="module")
def found() -> dict[str, float]:
    return asyncio.run(cost.measure())


def test_costs_no_more_than_recorded(found: dict[str, float], subtests: pytest.Subtests) -> None:
    """No count has risen by more than a tenth; the counts do not depend on the machine."""
    for name, recorded in RECORDED.items():
        with subtests.test(name=name):
            leeway = LEEWAY.get(name.split(maxsplit=1)[0], 0.0)
            assert found[name] <= recorded * ALLOWED_RISE + leeway, (
                f"{name}: {found[name]:.3f}, recorded {recorded}; "
                "if that is worth it, `make record-costs`"
            )
