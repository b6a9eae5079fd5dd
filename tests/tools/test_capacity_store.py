"""The costs of the store of limits, measured with a real Redis."""

import pytest

from benchmarks.capacity import store

pytestmark = pytest.mark.tools


async def test_a_run_and_an_entry_cost_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis needs CPU time for each run of the script, and more for a run with more entries."""
    monkeypatch.setattr(store, "RUNS", 200)
    found = await store.measured()
    assert found["cpu_us_per_run"] > 0
    assert found["cpu_us_per_entry"] > 0
