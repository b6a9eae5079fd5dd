"""The named plans of the demo upstream, and their documentation."""

import re
import runpy
from pathlib import Path

import pytest

from support.fenced import defined_by
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
    """Rows 2 to 30, 49 and 55 of the table of failures each have a scenario."""
    assert {row for one in SCENARIOS.values() for row in one.rows} == {*range(2, 31), 49, 55}


def test_the_documentation_is_what_the_code_makes_it(tmp_path: Path) -> None:
    """docs/demo-upstream.md contains both tables exactly as `make generate` writes them."""
    runpy.run_path(str(ROOT / "tools" / "generate.py"))["demo_upstream"](tmp_path)
    document = DOCUMENT.read_text(encoding="utf-8")
    assert document == (tmp_path / "docs" / DOCUMENT.name).read_text(encoding="utf-8")
    assert scenario_table() in document
    assert step_tables() in document


@pytest.mark.parametrize(
    "name", ["a_tool_is_called_and_its_result_answered", "a_broken_stream_is_an_error"]
)
async def test_the_examples_in_the_documentation_work(name: str) -> None:
    """The Python tests in docs/demo-upstream.md pass unchanged."""
    names = [each for block in _blocks("python") for each in re.findall(r"def test_(\w+)", block)]
    assert sorted(names) == [
        "a_broken_stream_is_an_error",
        "a_tool_is_called_and_its_result_answered",
    ]
    [example] = [block for block in _blocks("python") if f"def test_{name}(" in block]
    await defined_by(example)[f"test_{name}"]()


async def test_the_plans_in_the_documentation_are_valid(upstream: DemoUpstream) -> None:
    """Each plan in docs/demo-upstream.md can be played, except that none waits here."""
    plans = [line for block in _blocks("plan") for line in block.splitlines()]
    assert len(plans) == 11
    for plan in plans:
        async with connect(upstream) as client:
            await client.ask(plan.replace("wait 1", "wait 0"))
            await upstream.wait_for_requests(plans.index(plan) + 1)
            await upstream.wait_until_idle()
        assert upstream.requests[-1].outcome == ("reset" if "reset" in plan else "complete")
        assert upstream.requests[-1].plan == plan.replace("wait 1", "wait 0")


def _blocks(language: str) -> list[str]:
    """Return the document's blocks of code in a language."""
    found: list[str] = re.findall(
        rf"^```{language}\n(.*?)^```$",
        DOCUMENT.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    return found
