"""Helpers for tests of the Helm chart, which the real helm renders."""

import functools
import json
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from support.programs import ROOT
from tool import BIN

CHART: Final = ROOT / "deploy" / "helm" / "tokenwire"
CI: Final = sorted((CHART / "ci").glob("*-values.yaml"))
CI_NAMES: Final = [path.name.removesuffix("-values.yaml") for path in CI]


def ci(name: str) -> Path:
    """Return the path of the values file with this name."""
    return CHART / "ci" / f"{name}-values.yaml"


def helm(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run helm until it ends."""
    return subprocess.run(
        [BIN / "helm", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )


@functools.cache
def rendering(values: Path, *options: str) -> str:
    """Return the manifests that helm renders with these values, as text."""
    done = helm("template", "llm", CHART, "--namespace", "models", "--values", values, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(text: str) -> list[dict[str, Any]]:
    """Return the objects of a stream of YAML documents."""
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(text: str, kind: str) -> list[dict[str, Any]]:
    """Return the objects of one kind."""
    return [each for each in objects(text) if each["kind"] == kind]


def pod_specs(text: str) -> dict[str, dict[str, Any]]:
    """Return the spec of each pod and pod template, by kind and name."""
    return {
        f"{each['kind']}/{each['metadata']['name']}": (
            each["spec"] if each["kind"] == "Pod" else each["spec"]["template"]["spec"]
        )
        for each in objects(text)
        if each["kind"] in {"Deployment", "Pod"}
    }


def load(path: Path) -> dict[str, Any]:
    """Return the contents of a values file."""
    loaded: dict[str, Any] = yaml.safe_load(path.read_text("utf-8")) or {}
    return loaded


def schema() -> dict[str, Any]:
    """Return the schema of the chart's values."""
    loaded: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    return loaded
