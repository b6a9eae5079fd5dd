"""Dashboards, rules, alerts and autoscaling on a cluster, by a real Prometheus."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from panel_queries import substituted
from prometheus_server import Prometheus
from support import scaling_doc as doc
from support.helm import CHART, of_kind
from support.kube import DEMO, Namespace, kubectl, until
from support.kube_adapter import adapter, metric_of_pods
from support.kube_load import POD, manifest
from support.kube_observed import calls_of_every_outcome, values
from support.kube_prometheus import prometheus_of
from support.kube_simulator import SIMULATOR, simulator
from support.panels import QUERIES, id_of
from support.subtests import EndingSubtests

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),  # one Prometheus with its traffic for all tests
]

ELSEWHERE: Final = (
    *("limit_store", "limit_updates"),  # a Redis: test_panels_callers.py
    *("tls_",),  # the gRPC port is without TLS here: test_panels.py
    *("worker_restarts",),  # workers: test_panels.py
)
"""Parts of metrics that this release does not have, and the tests that have them."""
HERE: Final = [
    query for query in QUERIES if not any(f"tokenwire_{part}" in query.expr for part in ELSEWHERE)
]
ABSENT: Final = 12
"""The number of these queries."""
METRIC: Final = "tokenwire_streams_in_flight"
MOST: Final = 3
AT_ONCE: Final = {
    "stabilizationWindowSeconds": 0,
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 1}],
}
AUTOSCALING: Final = {
    "minReplicas": 1,
    "maxReplicas": MOST,
    "hpa": {"enabled": True, "targetStreams": 1},
    "behavior": {"scaleUp": AT_ONCE, "scaleDown": AT_ONCE},
}
KEDA: Final = ("--set", "demo.enabled=true,autoscaling.keda.enabled=true")
INSTANCE: Final = 'instance=~"$instance"'
DOWN: Final = "TokenwireInstanceDown"


@pytest.fixture(scope="module")
def release(kept_namespace: Namespace, definitions: None) -> Namespace:  # noqa: ARG001 - order
    """The namespace with a release of two pods in front of the simulated upstream."""
    nodes = kubectl("get", "nodes", "--output", "name").replace("node/", "").split()
    name = kept_namespace.name
    kept_namespace.apply(*simulator(name, nodes[0]), manifest(name, nodes[0]))
    ready = ("wait", "--for=condition=Ready", "--timeout=60s")
    kept_namespace.upgrade(**values())
    kept_namespace.kubectl(*ready, f"pod/{SIMULATOR}", f"pod/{POD}", within=65)
    kept_namespace.wait_until_ready(2)
    return kept_namespace


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prometheus(
    release: Namespace, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Prometheus]:
    """Prometheus, which has seen every counter at 0."""
    async with prometheus_of(release, tmp_path_factory.mktemp("prometheus")) as running:
        await running.until("count(tokenwire_build_info) == 2")
        yield running


@pytest.fixture(scope="module", autouse=True)
def load(release: Namespace, prometheus: Prometheus) -> Iterator[ExitStack]:  # noqa: ARG001 - order
    """Calls of every outcome, until the stack is closed."""
    with ExitStack() as stack:
        stack.enter_context(calls_of_every_outcome(release))
        yield stack


async def test_the_labels_are_those_of_pods(release: Namespace, prometheus: Prometheus) -> None:
    """Series have the namespace, pod, container and node, and the pod's name as the instance."""
    found = {
        tuple(sample.labels[name] for name in ("namespace", "pod", "instance", "node"))
        for sample in await prometheus.query('up{job="tokenwire", container="tokenwire"}')
    }
    assert found == {
        (release.name, name, name, pod["spec"]["nodeName"])
        for pod in release.pods()
        for name in [pod["metadata"]["name"]]
    }


async def test_every_query_returns_data(
    release: Namespace, prometheus: Prometheus, subtests: pytest.Subtests
) -> None:
    """Each query of each panel returns a number for the namespace, for a pod and for a node."""
    assert len(QUERIES) - len(HERE) == ABSENT
    pod = release.pods()[0]
    chosen = {"namespace": release.name, "instance": pod["metadata"]["name"]}
    node = pod["spec"]["nodeName"]
    rows = EndingSubtests(subtests)
    for query in HERE:
        of_node = query.expr.replace(INSTANCE, f'{INSTANCE}, node="{node}"')
        with rows.test(id_of(query)):
            for expr in (query.expr, of_node):
                filled = substituted(expr, interval="1m", span="5m", **chosen)
                # Without NaN and infinity.
                await prometheus.until(f"({filled}) < +Inf")


async def test_every_rule_is_evaluated(release: Namespace, prometheus: Prometheus) -> None:
    """All rules of the chart are healthy, and each recording rule has data of the namespace."""
    recorded = {rule["name"] for rule in await prometheus.rules() if rule["type"] == "recording"}
    assert len(recorded) == 18
    for name in recorded:
        await prometheus.until(f'{name}{{namespace="{release.name}"}} >= 0')
    assert {rule["health"] for rule in await prometheus.rules()} == {"ok"}


async def test_the_alert_for_a_replica_that_is_not_available(
    release: Namespace, prometheus: Prometheus
) -> None:
    """A pod whose image does not exist fires an alert with its name, until it is gone."""
    before = release.ready_pods()
    missing = DEMO.replace("tokenwire:", "tokenwire-missing:")
    release.kubectl("set", "image", "deployment/tokenwire", f"tokenwire={missing}")
    firing = f'ALERTS{{alertname="{DOWN}", alertstate="firing", namespace="{release.name}"}}'
    await prometheus.until(firing)
    [alert] = await prometheus.query(firing)
    assert re.fullmatch(r"tokenwire-\w+-\w+", alert.labels["instance"])
    assert alert.labels["instance"] not in before
    release.kubectl("rollout", "undo", "deployment/tokenwire")
    await prometheus.until(f"absent({firing})")
    assert release.ready_pods() == before


async def test_pods_follow_the_answers_in_flight(
    release: Namespace, prometheus: Prometheus, load: ExitStack, tmp_path: Path
) -> None:
    """With docs/scaling.md's rule, pods are added under load and removed after it.

    Turning the autoscaler on leaves the pods that run.
    """
    with adapter(prometheus.url, doc.ADAPTER_RULES, tmp_path):
        values_of_pods = until(
            lambda: metric_of_pods(release.name, METRIC), "the adapter has the metric"
        )
        assert values_of_pods.keys() == release.ready_pods()
        release.upgrade(**values(), autoscaling=AUTOSCALING)
        assert release.get("deployment/tokenwire")["spec"]["replicas"] == 2
        scaled = of_kind(release.helm("template", "tokenwire", CHART, *KEDA), "ScaledObject")
        [trigger] = scaled[0]["spec"]["triggers"]
        await prometheus.until(f"({trigger['metadata']['query']}) > 0")
        release.wait_until_ready(MOST)
        load.close()
        until(lambda: len(release.pods()) == 1, "one pod is left", 120)
