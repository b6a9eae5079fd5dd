"""The chart takes over from its first version, and says what it cannot take over."""

from pathlib import Path

import pytest
import yaml

from support.first_chart import FIRST_CHART, first_values
from support.helm import CHART, ci, helm, objects

pytestmark = pytest.mark.tools

# What the API server lets nobody change, by kind.
FIXED = {"Deployment": ("selector",), "Service": ("clusterIP", "type")}


@pytest.mark.parametrize(
    "name", ["tls", "gatewayFile", "gatewayFile.serviceAccounts", "helmTest.callerKey"]
)
def test_values_of_an_earlier_chart_are_refused_by_name(name: str) -> None:
    """Values without a group that is new, as `--reuse-values` passes them, are rejected."""
    done = helm("template", "llm", CHART, "--values", ci("demo"), "--set", f"{name}=null")
    assert done.returncode == 1
    assert f"the value {name} is missing, because --reuse-values keeps" in done.stderr
    assert "--reset-then-reuse-values" in done.stderr


def test_a_rollout_without_its_wait_is_refused() -> None:
    """Values without `minReadySeconds` are rejected: rollouts would lose the calls of clients."""
    done = helm("template", "llm", CHART, "--values", ci("demo"), "--set", "minReadySeconds=null")
    assert done.returncode == 1
    assert "the value minReadySeconds is missing" in done.stderr


def test_the_first_values_change_nothing_that_is_fixed(tmp_path: Path) -> None:
    """With a copy of the first chart's values, each of its objects keeps its immutable fields."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(first_values() | {"demo": {"enabled": True}}), "utf-8")
    fixed = []
    for chart in (FIRST_CHART, CHART):
        done = helm("template", "llm", chart, "--values", file)
        assert done.returncode == 0, done.stderr
        fixed.append(
            {
                (each["kind"], each["metadata"]["name"]): [
                    each["spec"].get(field) for field in FIXED.get(each["kind"], ())
                ]
                for each in objects(done.stdout)
            }
        )
    assert fixed[0] == fixed[1]
