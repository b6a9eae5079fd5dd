"""The GitHub workflows run what `.ci/run` runs, with pinned actions and minimal permissions."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.programs import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NAMES = [path.name for path in WORKFLOWS]
PINNED = re.compile(r"^ +(?:- )?uses: ([\w./-]+)@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
IN_THIS_REPOSITORY = re.compile(r"^ +uses: \./\.github/workflows/([\w-]+\.yml)$")


def loaded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows" / name).read_text("utf-8"))
    return found


def commands(name: str) -> str:
    """Return all commands that a workflow's steps run."""
    steps = [step for job in loaded(name)["jobs"].values() for step in job.get("steps", [])]
    return "\n".join(step["run"] for step in steps if "run" in step)


def targets(text: str) -> set[str]:
    """Return the targets of all lines that run make."""
    lines = re.findall(r"^(?:run_)?make ([\w -]+?)(?: &)?$", text, re.MULTILINE)
    return {target for line in lines for target in line.split()}


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_every_action_is_pinned(path: Path) -> None:
    """Each action is pinned to a full commit, because tags can move, and its version is noted."""
    lines = [line for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert PINNED.match(line) or IN_THIS_REPOSITORY.match(line), line


def test_an_action_has_one_version() -> None:
    """All workflows use the same commit of an action."""
    text = "".join(path.read_text("utf-8") for path in WORKFLOWS)
    found = set(re.findall(r"uses: ([\w./-]+)@(\S+)", text))
    assert len({name for name, _ in found}) == len(found)


def test_ci_runs_what_must_hold() -> None:
    """CI runs the targets of `.ci/run`, and what builds the artifacts."""
    ours = targets((ROOT / ".ci" / "run").read_text("utf-8"))
    assert ours == {"test", "test-all", "test-tools", "test-cluster"}
    assert targets(commands("ci.yml")) == ours | {"image", "sbom", "chart"}


def test_a_release_follows_the_tests_and_ships_the_same() -> None:
    """Publishing requires a successful run of ci.yml, and uses the same targets for artifacts."""
    jobs = loaded("release.yml")["jobs"]
    assert jobs["ci"] == {"uses": "./.github/workflows/ci.yml"}
    assert jobs["publish"]["needs"] == "ci"
    assert targets(commands("release.yml")) == {"image", "sbom", "chart"}


def test_every_target_is_there() -> None:
    """The Makefile has every target that a workflow runs."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for name in NAMES:
        for target in targets(commands(name)):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_workflows_may_only_read(name: str) -> None:
    """Only the publishing job has more than read permissions."""
    workflow = loaded(name)
    assert workflow["permissions"] == {"contents": "read"}
    assert {job for job, each in workflow["jobs"].items() if "permissions" in each} <= {"publish"}
