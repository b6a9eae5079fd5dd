"""Writes the figures of a run into docs/performance.md, README.md and docs/capacity.md."""

import json
import sys
from pathlib import Path

from benchmarks.capacity.costs import MissingFigureError
from benchmarks.capacity.doc import write_page
from benchmarks.figures import Run
from benchmarks.table import as_markdown, headline

ROOT = Path(__file__).resolve().parent.parent
LATEST = ROOT / "benchmarks" / "results" / "latest.json"
BEGIN = "<!-- benchmark: begin -->"
END = "<!-- benchmark: end -->"


def main() -> None:
    """Replace the text between the markers of each document."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else LATEST
    run = Run.from_json(json.loads(source.read_text()))
    _replace(ROOT / "docs" / "performance.md", as_markdown(run))
    _replace(ROOT / "README.md", headline(run))
    try:
        write_page(run)
    except MissingFigureError as error:
        print(f"docs/capacity.md keeps its figures: {error}", file=sys.stderr)


def _replace(document: Path, text: str) -> None:
    head, begin, rest = document.read_text().partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{document} must have the lines {BEGIN} and {END}")
    document.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}")


if __name__ == "__main__":
    main()
