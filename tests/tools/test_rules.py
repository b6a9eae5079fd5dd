"""The rules and alerts, checked with promtool and against their documentation."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.helpers import scrape
from support.programs import ROOT, finished, run, started
from tokenwire.app import App

pytestmark = pytest.mark.tools

RULES = ROOT / "observability" / "prometheus"
RUNBOOK = ROOT / "docs" / "runbook.md"


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


async def test_the_metrics_are_well_formed(tools: Path, app: App, tmp_path: Path) -> None:
    """The metrics of a running server pass the linter of promtool."""
    exposed = tmp_path / "metrics"
    exposed.write_text(await scrape(app))
    command = f"exec {tools / 'promtool'} check metrics < {exposed}"
    async with started("sh", "-c", command) as process:
        done = await finished(process, within=30)
    assert (done.code, done.stdout, done.stderr) == (0, "", "")


async def test_the_rules_are_valid(tools: Path) -> None:
    """Every rule is valid, without a lint warning."""
    files = [RULES / "rules.yml", RULES / "alerts.yml"]
    done = await run(tools / "promtool", "check", "rules", "--lint-fatal", *files)
    assert done.code == 0, done.stderr


async def test_the_configuration_is_valid(tools: Path) -> None:
    """The Prometheus configuration that compose.yml uses is valid, including its rules."""
    done = await run(tools / "promtool", "check", "config", RULES / "prometheus.yml")
    assert done.code == 0, done.stderr
    assert done.stdout.count("rules found") == 2


@pytest.mark.parametrize("file", sorted((RULES / "tests").iterdir()), ids=lambda file: file.stem)
async def test_the_rules_do_what_their_tests_say(tools: Path, file: Path) -> None:
    """The alerts pass their unit tests."""
    done = await run(tools / "promtool", "test", "rules", file)
    assert done.code == 0, done.stderr + done.stdout


def test_every_alert_has_tests_that_fire_and_that_stay_silent() -> None:
    """Every alert has a unit test in which it fires, and one in which no alert fires."""
    files = [yaml.safe_load(file.read_text()) for file in (RULES / "tests").iterdir()]
    tests = [test for file in files for test in file["tests"]]
    fired = {
        name
        for test in tests
        for check in test["promql_expr_test"]
        for sample in check["exp_samples"]
        for name in re.findall(r'alertname="(\w+)"', sample["labels"])
    }
    assert fired == {alert["alert"] for alert in alerts()}
    for alert in alerts():
        metrics = metrics_of(alert["expr"])
        silent = [
            test
            for test in tests
            if not any(check["exp_samples"] for check in test["promql_expr_test"])
            and any(metrics & metrics_of(each["series"]) for each in test["input_series"])
        ]
        assert silent, alert["alert"]


def metrics_of(expression: str) -> set[str]:
    """Return the metrics that an expression reads, including those of its recording rules."""
    groups = yaml.safe_load((RULES / "rules.yml").read_text())["groups"]
    recorded = {rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}
    for name, source in recorded.items():
        if name in expression:
            expression += source
    return set(
        re.findall(r"\b(?:tokenwire|gen_ai_[a-z]+|grpc_server)_\w+\b|\bup\b", expression)
    ) - {"gen_ai_request_model"}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_tells_what_to_do(alert: dict[str, Any]) -> None:
    """Every alert has a severity, a summary, a description and its own section of the runbook."""
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    path, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert ROOT / path == RUNBOOK
    assert anchor == alert["alert"].lower()
    [section] = re.findall(
        rf"^## {alert['alert']}$(.*?)(?=^## |\Z)", RUNBOOK.read_text(), re.MULTILINE | re.DOTALL
    )
    for part in ("**Means.**", "**Look at.**", "**Do.**"):
        assert part in section


def test_the_users_page_lists_every_alert() -> None:
    """docs/observability.md lists each alert with its severity."""
    page = (ROOT / "docs" / "observability.md").read_text()
    listed = dict(re.findall(r"^\| `(Tokenwire\w+)` \| (\w+) \|", page, re.MULTILINE))
    assert listed == {alert["alert"]: alert["labels"]["severity"] for alert in alerts()}
