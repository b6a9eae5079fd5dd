"""The chart checked with Helm: lint, unit tests, and the files generated from it."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import rendered
from support.helm import CHART, CI, CI_NAMES, helm, of_kind, rendering
from support.programs import ROOT
from tokenwire import __version__
from tool import BIN

pytestmark = pytest.mark.tools

VALUES = pytest.mark.parametrize("values", CI, ids=CI_NAMES)


def unit_tests(chart: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "helm-unittest", chart, "--strict"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@VALUES
def test_lint_is_content(values: Path) -> None:
    """`helm lint --strict` finds nothing with any of the values files."""
    done = helm("lint", "--strict", CHART, "--values", values)
    assert done.returncode == 0, done.stdout


def test_lint_notices_a_broken_chart(tmp_path: Path) -> None:
    """A template that renders invalid YAML fails the lint."""
    chart = shutil.copytree(CHART, tmp_path / "tokenwire")
    service = chart / "templates" / "service.yaml"
    service.write_text(service.read_text().replace("spec:\n", "spec: {\n"))
    done = helm("lint", "--strict", chart, "--values", CHART / "ci" / "demo-values.yaml")
    assert done.returncode == 1
    assert "service.yaml" in done.stdout


def test_unit_tests_pass() -> None:
    """All suites of helm-unittest pass."""
    done = unit_tests(CHART)
    assert done.returncode == 0, done.stdout
    assert "0 passed, 0 total" in done.stdout  # no snapshots, since expected values are written out


def test_unit_tests_notice_a_broken_chart(tmp_path: Path) -> None:
    """A Deployment that may lose pods during a rollout fails the unit tests."""
    chart = shutil.copytree(CHART, tmp_path / "tokenwire")
    values = chart / "values.yaml"
    values.write_text(values.read_text().replace("maxUnavailable: 0", "maxUnavailable: 1"))
    done = unit_tests(chart)
    assert done.returncode == 1
    assert "loses no pod during a roll" in done.stdout


@pytest.mark.parametrize("render", rendered.RENDERERS, ids=lambda render: render.__name__)
def test_what_is_committed_is_what_is_rendered(
    render: Callable[[Path], None], tmp_path: Path
) -> None:
    """The committed README of the chart and deploy/k8s are exactly what the chart renders."""
    render(tmp_path)
    places = [Path("deploy/helm/tokenwire/README.md"), Path("deploy/k8s")]
    written = [place for place in places if (tmp_path / place).exists()]
    assert written
    for place in written:
        assert contents(tmp_path / place) == contents(ROOT / place)


def contents(place: Path) -> dict[str, str]:
    """Return the contents of the files of a directory, or of a single file, by name."""
    if place.is_file():
        return {place.name: place.read_text("utf-8")}
    return {
        str(path.relative_to(place)): path.read_text("utf-8")
        for path in place.rglob("*")
        # The values files are the input of the manifests.
        if path.is_file() and not path.name.endswith(".values.yaml")
    }


def test_the_package_holds_what_an_installation_needs(tmp_path: Path) -> None:
    """The packaged chart has the project's version, and renders like its directory."""
    done = helm("package", "--destination", tmp_path, CHART)
    assert done.returncode == 0, done.stderr
    package = tmp_path / f"tokenwire-{__version__}.tgz"
    values = CHART / "ci" / "production-values.yaml"
    options = ("--namespace", "models", "--values", values)
    assert helm("template", "llm", package, *options).stdout == rendering(values)


def test_each_rule_file_and_dashboard_becomes_an_object() -> None:
    """The production values render all rules and dashboards, complete and with their labels."""
    text = rendering(CHART / "ci" / "production-values.yaml")
    rules = of_kind(text, "PrometheusRule")
    assert len(rules) == len(list((CHART / "files" / "rules").iterdir()))
    assert all(rule["metadata"]["labels"]["release"] == "prometheus" for rule in rules)
    boards = [
        each
        for each in of_kind(text, "ConfigMap")
        if each["metadata"]["labels"].get("grafana_dashboard") == "1"
    ]
    shown = [body for board in boards for body in board["data"].values()]
    committed = [path.read_text("utf-8") for path in (CHART / "files" / "dashboards").iterdir()]
    assert sorted(body.strip() for body in shown) == sorted(body.strip() for body in committed)
