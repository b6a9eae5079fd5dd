"""The figures from which docs/capacity.md is made: benchmarks/capacity/measured.json."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from benchmarks.capacity.costs import CHECKED, NEEDED, figure
from benchmarks.figures import Cell, Run
from benchmarks.goals import FULL

MEASURED = Path(__file__).resolve().parent / "measured.json"
CROWD, STORE = "crowd", "store"


def read_run(source: Path = MEASURED) -> Run:
    """Return the run that a file has."""
    return Run.from_json(json.loads(source.read_text("utf-8")))


def with_store(run: Run) -> Run:
    """Return a run with the costs of the store that were known before, if it has none.

    `make bench` does not measure them, because it needs no Redis.
    """
    if STORE in run.cells:
        return run
    known = read_run()
    return replace(
        run,
        scenarios={**run.scenarios, STORE: known.scenarios[STORE]},
        cells={**run.cells, STORE: known.cells[STORE]},
    )


def extract(run: Run) -> Run:
    """Return the part of a run that the page needs: one server, and the figures that are used.

    Raises:
        MissingFigureError: A figure was not measured.
    """
    wanted = {**NEEDED, CROWD: CHECKED}
    for scenario, names in wanted.items():
        for name in names:
            figure(run, scenario, name)
    return Run(
        run.machine,
        {FULL: run.versions[FULL]},
        run.effort,
        {FULL: run.titles[FULL]},
        {name: run.scenarios[name] for name in wanted},
        {name: {FULL: _only(run.cells[name][FULL], names)} for name, names in wanted.items()},
    )


def write_run(run: Run, into: Path = MEASURED) -> None:
    """Write a run as a file."""
    into.write_text(json.dumps(run.to_json(), indent=1) + "\n", "utf-8")


def _only(cell: Cell, names: Iterable[str]) -> Cell:
    rounds = [{name: each[name] for name in names if name in each} for each in cell.rounds]
    return Cell(rounds, list(cell.failures))
