"""Each command and snippet of docs/scaling.md, and the figures that it takes from measurements.

tests/cluster/test_cluster_metrics.py runs the rule of prometheus-adapter and the autoscaler.
"""

import re

import pytest
import yaml

from support import scaling_doc as doc
from support.fenced import fenced
from support.helm import CHART, helm, of_kind
from support.kubernetes_doc import rendering_options, words
from support.programs import ROOT

pytestmark = pytest.mark.tools

INSTALLS = [line for line in doc.COMMANDS if line.startswith("helm ")]
KUBECTL = [line for line in doc.COMMANDS if line.startswith("kubectl ")]
METRIC = "tokenwire_streams_in_flight"
CUSTOM = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/llm/pods/*/"


def rendered(command: str) -> str:
    """Return what an installation of the page renders."""
    [values] = doc.VALUES
    options = ["-" if each == "scaling.yaml" else each for each in rendering_options(command)]
    done = helm("template", "tokenwire", CHART, *options, stdin=yaml.safe_dump(values))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_is_tested() -> None:
    """The page has no commands but those of these tests."""
    assert sorted(INSTALLS + KUBECTL) == sorted(doc.COMMANDS)
    assert len(INSTALLS) == 3
    raw, get = map(words, KUBECTL)
    assert raw == ["kubectl", "get", "--raw", CUSTOM + METRIC]
    assert get == ["kubectl", "get", "horizontalpodautoscaler/tokenwire", "--namespace", "llm"]


def test_the_installations_scale_as_the_page_says() -> None:
    """The first has an autoscaler with the page's numbers, the second four pods, the third KEDA."""
    scaling, four, keda = map(rendered, INSTALLS)
    [autoscaler] = of_kind(scaling, "HorizontalPodAutoscaler")
    assert autoscaler["metadata"]["name"] == "tokenwire"
    assert (autoscaler["spec"]["minReplicas"], autoscaler["spec"]["maxReplicas"]) == (3, 10)
    [metric] = autoscaler["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == METRIC
    assert metric["pods"]["target"]["averageValue"] == "300"
    [deployment] = of_kind(four, "Deployment")
    assert deployment["spec"]["replicas"] == 4
    [scaled] = of_kind(keda, "ScaledObject")
    [trigger] = scaled["spec"]["triggers"]
    [query] = fenced(doc.TEXT, "promql")
    assert trigger["metadata"]["query"] == query


def test_the_rule_is_of_the_metric() -> None:
    """The adapter's rule names the metric of the autoscaler, and adds up workers."""
    [rule] = doc.ADAPTER_RULES["rules"]
    assert rule["seriesQuery"].startswith(f"{METRIC}{{")
    assert rule["metricsQuery"].startswith("sum by (<<.GroupBy>>)")


def test_the_figures_are_the_measured_ones() -> None:
    """Each figure of a process is what was measured, rounded up by less than a fifth."""
    page = (ROOT / "docs" / "performance.md").read_text("utf-8")
    [head] = re.findall(r"^\| server \|.*$", page, re.MULTILINE)
    [row] = re.findall(r"^\| tokenwire \|.*$", page, re.MULTILINE)
    names, cells = (line.strip("| ").split(" | ") for line in (head, row))
    measured = {
        name: float(cell.split()[0]) for name, cell in zip(names[1:], cells[1:], strict=True)
    }
    assert measured["carried in time, %"] == 100
    for name, pattern, unit in (
        ("call, µs", r"Calls \| (\S+) ms of CPU", 1000),
        ("paced, µs/token", r"costs up to (\S+) ms;", 1000),
        ("idle, MB", r"idle process \| (\S+) MB", 1),
        ("paused stream, kB", r"in flight \| (\S+) kB,", 1),
        ("unread stream, kB", r"or (\S+) kB while", 1),
    ):
        [said] = re.findall(pattern, doc.TEXT)
        assert measured[name] <= float(said) * unit <= measured[name] * 1.2, name
