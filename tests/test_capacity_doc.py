"""docs/capacity.md: its tables are those of the figures beside it, and its commands run."""

import json
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.capacity import doc, tables
from benchmarks.capacity.costs import (
    CHECKED,
    Costs,
    MissingFigureError,
    costs_of,
    memory_of,
)
from benchmarks.capacity.measured import MEASURED, extract, read_run, with_store
from benchmarks.capacity.tables import remark
from benchmarks.figures import Cell, Run
from benchmarks.goals import FULL
from support.fenced import fenced
from support.programs import ROOT, run

PAGE = doc.PAGE.read_text("utf-8")
COSTS = Costs(call=900e-6, answer=50e-6, token=3e-6, wake=60e-6)
SMALL = ("--streams", "30", "--rate", "10")


def cell(**figures: float) -> dict[str, Cell]:
    """Return a cell of the server with everything on, measured once."""
    return {FULL: Cell([figures])}


def run_with(costs: Costs) -> Run:
    """Return a run whose scenarios cost what these costs say."""
    call, answer, token, wake = (
        each * 1e6 for each in (costs.call, costs.answer, costs.token, costs.wake)
    )
    return Run(
        {"CPU": "one"},
        {FULL: {"Python": "3"}},
        {"rounds": 1, "seconds": 1.0, "most_streams": 20},
        {FULL: "tokenwire"},
        dict.fromkeys(
            ("burst", "carried", "scattered", "percall", "parked", "unread", "crowd"), ""
        ),
        {
            "burst": cell(
                cpu_us_per_token=token + 0.02 * answer + call / 2_000,
                messages_per_token=0.02,
                tokens_per_second=200_000,
                calls_per_second=100,
            ),
            "carried": cell(cpu_us_per_token=token + 0.9 * answer, messages_per_token=0.9),
            "scattered": cell(cpu_us_per_token=token + answer + wake, messages_per_token=1),
            "percall": cell(cpu_us_per_call=call + answer + token),
            "parked": cell(unused_mb=110, kb_per_stream=40),
            "unread": cell(kb_per_stream=100),
            "crowd": cell(**dict.fromkeys(CHECKED, 0.0)),
        },
    )


def test_the_tables_are_those_of_the_figures() -> None:
    """The page has exactly the tables that follow from measured.json."""
    assert doc.with_tables(PAGE, doc.blocks(read_run())) == PAGE


def test_a_part_without_markers_is_an_error() -> None:
    """A table that has no place on the page is an error and is not dropped."""
    with pytest.raises(ValueError, match="capacity: plan begin"):
        doc.with_tables("no markers", {"plan": "text"})


def test_the_kept_figures_are_those_that_are_needed() -> None:
    """The file has nothing that the page does not use."""
    kept = json.loads(MEASURED.read_text("utf-8"))
    assert extract(read_run()).to_json() == kept


def test_costs_are_found_again() -> None:
    """From the CPU times that costs lead to, the same costs follow."""
    found = costs_of(run_with(COSTS))
    for name in ("call", "answer", "token", "wake"):
        assert getattr(found, name) == pytest.approx(getattr(COSTS, name)), name
    memory = memory_of(run_with(COSTS))
    assert (memory.idle, memory.stream, memory.unread) == (110e6, 40e3, 100e3)


def test_no_cost_is_negative() -> None:
    """A busy machine, whose figures contradict each other, leads to a cost of 0 and not below."""
    found = run_with(COSTS)
    found.cells["scattered"] = cell(cpu_us_per_token=1.0, messages_per_token=1)
    assert costs_of(found).wake == 0.0


def test_a_run_without_a_scenario_says_which() -> None:
    """A figure that was not measured is named, with the command that measures it."""
    found = run_with(COSTS)
    del found.cells["carried"]
    with pytest.raises(MissingFigureError, match=r"carried.*make bench-capacity"):
        extract(with_store(found))


def test_a_run_renews_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make bench-doc` with another run writes its costs, and keeps those of the store."""
    page, kept = tmp_path / "capacity.md", tmp_path / "measured.json"
    page.write_text(PAGE, "utf-8")
    monkeypatch.setattr(doc, "PAGE", page)
    monkeypatch.setattr(tables, "CROWDS", (10,))
    monkeypatch.setattr(tables, "LOADS", (0.1,))
    monkeypatch.setattr(doc, "write_run", lambda it: kept.write_text(json.dumps(it.to_json())))
    doc.write_page(run_with(COSTS))
    assert "| a call, without its tokens | 900 | µs |" in page.read_text("utf-8")
    assert read_run(kept).cells["store"] == read_run().cells["store"]


@pytest.mark.parametrize(("cores", "said"), [(0.0, "does not test"), (1.0, "had the core")])
def test_the_page_says_whether_the_server_had_its_core(cores: float, said: str) -> None:
    """A crowd that was measured while other programs used the core is no test."""
    found = run_with(COSTS)
    measured = dict.fromkeys(CHECKED, 0.0) | {"server_cores": cores}
    assert said in remark(replace(found, cells={**found.cells, "crowd": cell(**measured)}))


async def test_its_commands_run() -> None:
    """Each target of the page exists, and the plan accepts all options that the page names."""
    [command] = fenced(PAGE, "sh")
    done = await run(*shlex.split(command), "--dry-run")
    assert done.code == 0, done.stderr
    [line] = [each for each in done.stdout.splitlines() if "benchmarks.capacity" in each]
    [extra] = re.findall(r'`CAPACITY="(.*?)"`', PAGE)
    words = shlex.split(line)[1:]
    planned = await run(sys.executable, *words, *shlex.split(extra), *SMALL)
    assert planned.code == 0, planned.stderr
    assert re.search(r"^streams +30$", planned.stdout, re.MULTILINE)
    assert "what gives way first" in planned.stdout
    for target in re.findall(r"`make ([\w-]+)`", PAGE):
        assert (await run("make", target, "--dry-run")).code == 0, target


@pytest.mark.parametrize("options", [("--rate", "0"), ("--utilisation", "1.5")])
async def test_a_plan_for_nonsense_is_refused(options: tuple[str, str]) -> None:
    """A value out of range is named, with what is allowed."""
    command = (sys.executable, "-m", "benchmarks.capacity", "--streams", "1", *options)
    done = await run(*command)
    assert done.code == 2
    assert f"argument {options[0]}: {options[1].removesuffix('.0')} is " in done.stderr
    assert str(ROOT) not in done.stderr
