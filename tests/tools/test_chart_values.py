"""Every value of the chart is validated, used by a values file, documented, and has an effect."""

import copy
import json
import re
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from support.helm import CHART, CI, ci, helm, load, rendering, schema

pytestmark = pytest.mark.tools

DEFAULTS = load(CHART / "values.yaml")


def nodes(part: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each group of values, followed by the paths of its values."""
    yield path
    for name, inner in part.get("properties", {}).items():
        yield from nodes(inner, (*path, name))


def inner(part: Any, path: tuple[str, ...]) -> Any:
    """Return the value at a path of nested mappings, or None if there is none."""
    return reduce(lambda each, name: (each or {}).get(name), path, part)


def schema_at(path: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = reduce(lambda part, name: part["properties"][name], path, schema())
    return found


# The names of settings are tested elsewhere; `global` belongs to a parent chart.
PATHS = [path for path in nodes(schema()) if path[:1] != ("global",)]
GROUPS = [path for path in PATHS if "properties" in schema_at(path)]
VALUES = [
    path
    for path in PATHS
    if path not in GROUPS and (path[0] != "settings" or path[-1] in DEFAULTS["settings"])
]


def dotted(path: tuple[str, ...]) -> str:
    return ".".join(path) or "(top)"


@pytest.mark.parametrize("group", GROUPS, ids=dotted)
def test_a_misspelt_value_is_refused_by_its_name(group: tuple[str, ...]) -> None:
    """An unknown name at any level of the values stops the installation."""
    path = ".".join((*group, "mispelt"))
    done = helm("template", "llm", CHART, "--set", f"demo.enabled=true,{path}=1")
    assert done.returncode == 1
    assert "'mispelt' not allowed" in done.stderr
    assert f"at '{''.join(f'/{name}' for name in group)}'" in done.stderr


def test_every_value_has_a_default() -> None:
    """Every value of the schema has a default in values.yaml."""
    assert [dotted(path) for path in VALUES if inner(DEFAULTS, path) is None] == []


def test_every_value_is_exercised() -> None:
    """For each value, a values file in ci/ sets it to something other than its default."""
    files = [load(path) for path in CI]
    idle = [
        dotted(path)
        for path in VALUES
        if all(inner(each, path) in (None, inner(DEFAULTS, path)) for each in files)
    ]
    assert idle == []


@pytest.mark.parametrize("path", VALUES, ids=dotted)
def test_every_value_does_something(path: tuple[str, ...], tmp_path: Path) -> None:
    """Removing a value that a ci file sets changes the rendering or makes it fail."""
    for file in CI:
        values = load(file)
        if inner(values, path) in (None, inner(DEFAULTS, path)):
            continue
        without = copy.deepcopy(values)
        del inner(without, path[:-1])[path[-1]]
        place = tmp_path / file.name
        place.write_text(json.dumps(without))
        done = helm("template", "llm", CHART, "--namespace", "models", "--values", place)
        if done.returncode != 0 or done.stdout != rendering(file):
            return
    raise AssertionError(f"{dotted(path)} changes nothing in {[path.name for path in CI]}")


def test_every_value_is_documented() -> None:
    """The chart's README has a row with a description for each value."""
    readme = (CHART / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (\S+) \| .* \| (.+?) \|$", readme, re.MULTILINE))
    for path in VALUES:
        # A mapping whose default is empty, or that is passed on, has one row for all of its values.
        names = [".".join(path[:depth]) for depth in range(len(path), 0, -1)]
        assert any(rows.get(name, "").strip() for name in names), dotted(path)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("replicas=many", "/replicas"),
        ("image.digest=latest", "/image/digest"),
        ("probes.type=http", "/probes/type"),
        ("antiAffinity=maybe", "/antiAffinity"),
        ("ports.grpc=70000", "/ports/grpc"),
        ("settings.TOKENWIRE_DRAIN_SECONDS=-1", "/settings/TOKENWIRE_DRAIN_SECONDS"),
        ("settings.TOKENWIRE_LOG_LEVEL=loud", "/settings/TOKENWIRE_LOG_LEVEL"),
    ],
)
def test_a_value_beyond_its_limits_is_refused_by_its_name(value: str, name: str) -> None:
    """A value of the wrong type or outside its limits stops the installation."""
    done = helm("template", "llm", CHART, "--values", ci("demo"), "--set", value)
    assert done.returncode == 1
    assert f"at '{name}'" in done.stderr
