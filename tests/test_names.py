"""A name of the service means one thing."""

import ast
from collections import defaultdict
from pathlib import Path

from support.programs import ROOT

SOURCES = ROOT / "service" / "tokenwire"
GENERATED = SOURCES / "v1"


def sources() -> list[Path]:
    found = [path for path in SOURCES.rglob("*.py") if GENERATED not in path.parents]
    assert len(found) > 100
    return found


def test_no_two_classes_share_a_name() -> None:
    """Whoever reads a class's name in a log, a traceback or a review knows which one it is."""
    places = defaultdict(list)
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(SOURCES)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
