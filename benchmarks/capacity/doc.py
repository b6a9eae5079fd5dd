"""Writes the tables of docs/capacity.md: `make capacity-doc`, also run by `make bench-doc`."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from benchmarks.capacity.costs import costs_of
from benchmarks.capacity.measured import MEASURED, extract, read_run, with_store, write_run
from benchmarks.capacity.plan import Demand
from benchmarks.capacity.tables import (
    SCALES,
    bounds_table,
    check_table,
    costs_table,
    crowds_table,
    facts_table,
    plan_of,
    plan_table,
    remark,
    steady_table,
)
from benchmarks.figures import Run
from benchmarks.table import described, markdown

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "capacity.md"


def main() -> None:
    """Take the figures of a run, if one is named, and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity.doc", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=MEASURED, help="a run's JSON file")
    write_page(read_run(parser.parse_args().file))


def write_page(run: Run) -> None:
    """Keep the figures of a run, and write the tables that follow from them.

    Raises:
        MissingFigureError: The run lacks a figure.
    """
    needed = extract(with_store(run))
    PAGE.write_text(with_tables(PAGE.read_text("utf-8"), blocks(needed)), "utf-8")
    write_run(needed)


def blocks(run: Run) -> dict[str, str]:
    """Return the generated parts of the page, by name."""
    costs, note = costs_of(run), remark(run)
    plans = [plan_of(run, Demand(streams)) for streams in SCALES]
    return {
        "costs": f"{markdown(costs_table(run))}\n\n{described(run)}\n\n{note}",
        "facts": markdown(facts_table()),
        "check": f"{markdown(check_table(run))}\n\n{note}",
        "crowds": markdown(crowds_table(costs)),
        "steady": markdown(steady_table(costs)),
        "plan": markdown(plan_table(plans)),
        "bounds": markdown(bounds_table(plans[0])),
    }


def with_tables(page: str, parts: Mapping[str, str]) -> str:
    """Return a page with new text between the markers of each part.

    Raises:
        ValueError: The page has no such markers.
    """
    for name, text in parts.items():
        begin, end = (f"<!-- capacity: {name} {which} -->" for which in ("begin", "end"))
        head, found, rest = page.partition(begin)
        _, ended, tail = rest.partition(end)
        if not found or not ended:
            raise ValueError(f"the page needs the lines {begin} and {end}")
        page = f"{head}{begin}\n\n{text}\n\n{end}{tail}"
    return page


if __name__ == "__main__":
    main()
