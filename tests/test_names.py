"""A name of the service, the client or the simulator means one thing."""

import ast
from collections import defaultdict
from pathlib import Path

from support.programs import ROOT

PACKAGES = ("service/tokenwire", "client/tokenwire_client", "demo/tokenwire_demo")
GENERATED = "v1"


def sources() -> list[Path]:
    found = [
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.parent.name != GENERATED
    ]
    assert len(found) > 150
    return found


def test_no_two_classes_share_a_name() -> None:
    """A class's name in a log, a traceback or a review identifies the class."""
    places = defaultdict(list)
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
