"""Writes the figures of a run into docs/performance.md: `make bench-doc`."""

import json
import sys
from pathlib import Path

from benchmarks.figures import Run
from benchmarks.table import as_markdown

LATEST = Path(__file__).resolve().parent / "results" / "latest.json"
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
BEGIN = "<!-- benchmark: begin -->"
END = "<!-- benchmark: end -->"


def main() -> None:
    """Replace what stands between the markers."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else LATEST
    run = Run.from_json(json.loads(source.read_text()))
    head, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    DOCUMENT.write_text(f"{head}{BEGIN}\n\n{as_markdown(run)}\n\n{END}{tail}")


if __name__ == "__main__":
    main()
