"""The named plans of the demo upstream, and their documentation."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from support.raw_client import connect
from tokenwire_demo import SCENARIOS, DemoUpstream, scenario_table, step_tables

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "demo-upstream.md"
# These continue until the client leaves, or send more than it reads.
LASTING = {
    "slow",
    "stall-before-headers",
    "stall-before-first-token",
    "stall-after-role",
    "stall-mid-stream",
    "comments-only",
    "comments-mid-stream",
    "endless-drip",
    "held-after-done",
    "big-delta",
    "no-newline",
    "gzip-bomb",
    "huge-error",
}
OUTCOMES = {
    "reset-before-headers": "reset",
    "close-before-headers": "closed",
    "reset-mid-stream": "reset",
    "close-mid-stream": "closed",
    "not-http": "closed",
}


async def test_a_scenario_plays_its_plan(upstream: DemoUpstream, subtests: pytest.Subtests) -> None:
    """A prompt can select each scenario by name, and the scenario ends as its plan says."""
    for count, scenario in enumerate(SCENARIOS.values(), 1):
        with subtests.test(scenario=scenario.name):
            async with connect(upstream) as client:
                await client.ask(text=f"[[demo: scenario {scenario.name}]]")
                await upstream.wait_for_requests(count)
                if scenario.name not in LASTING:
                    await upstream.wait_until_idle()
            await upstream.wait_until_idle()
            request = upstream.requests[-1]
            usual = "client gone" if scenario.name in LASTING else "complete"
            assert request.plan == f"scenario {scenario.name}"
            assert request.outcome == OUTCOMES.get(scenario.name, usual)


def test_every_upstream_fault_has_a_scenario() -> None:
    """Rows 2 to 30 and 49 of the table of failures each have a scenario."""
    assert {row for one in SCENARIOS.values() for row in one.rows} == {*range(2, 31), 49}


def test_the_documentation_is_what_the_code_makes_it(tmp_path: Path) -> None:
    """docs/demo-upstream.md contains both tables exactly as `make generate` writes them."""
    runpy.run_path(str(ROOT / "tools" / "generate.py"))["demo_upstream"](tmp_path)
    document = DOCUMENT.read_text(encoding="utf-8")
    assert document == (tmp_path / "docs" / DOCUMENT.name).read_text(encoding="utf-8")
    assert scenario_table() in document
    assert step_tables() in document


async def test_the_example_in_the_documentation_works() -> None:
    """The Python test in docs/demo-upstream.md passes unchanged."""
    example = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    names: dict[str, Any] = {}
    exec(example[1], names)  # noqa: S102 - the project's documentation
    await names["test_a_broken_stream_is_an_error"]()
