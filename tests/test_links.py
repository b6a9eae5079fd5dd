"""Every relative link in a Markdown file points to an existing file and heading."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.programs import ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")
EXTERNAL = re.compile(r"[a-z]+:")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def documents() -> list[str]:
    """Return the repository's own Markdown files, as paths relative to its root."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*.md"))
    return sorted(
        str(path)
        for path in found
        if not any(part.startswith(".") or part == "node_modules" for part in path.parts)
    )


def prose(document: Path) -> str:
    return FENCED.sub("", document.read_text("utf-8"))


def anchor(heading: str) -> str:
    """Return the anchor that GitHub generates for a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


def anchors(document: Path) -> list[str]:
    return [anchor(heading) for heading in HEADING.findall(prose(document))]


def broken(document: Path) -> Iterator[str]:
    for link in LINK.findall(prose(document)):
        if EXTERNAL.match(link):
            continue
        path, _, fragment = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (fragment and fragment not in anchors(target)):
            yield link


def test_every_link_leads_to_a_file_and_a_heading(subtests: pytest.Subtests) -> None:
    """Every relative link names an existing file, and its anchor an existing heading there."""
    for name in documents():
        with subtests.test(name=name):
            assert list(broken(ROOT / name)) == []
