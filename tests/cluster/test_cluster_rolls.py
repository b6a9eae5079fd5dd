"""No answer is lost while pods are replaced, in whatever way."""

import json
import logging
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

from support import kubernetes_doc as doc
from support.kube import Namespace, command, kubectl, until
from support.kube_clients import CLIENTS, SHORT, STREAMS, TOKENS, Loads
from support.kube_load import create_clients
from support.kube_pods import in_flight
from support.kube_simulator import SIMULATOR, simulator

log = logging.getLogger(__name__)
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

MODEL: Final = "demo"
AGE_SECONDS: Final = 30
RESOLUTION_SECONDS: Final = 30
BACK_TO_BACK_SECONDS: Final = 15
"""The time between two rollouts, less than the 30 s for which clients keep addresses by default."""
VALUES: Final[dict[str, Any]] = {
    "settings": {"TOKENWIRE_CONNECTION_AGE_SECONDS": AGE_SECONDS},
    "gatewayFile": {
        "content": {
            "upstreams": {SIMULATOR: {"base_url": f"http://{SIMULATOR}:8080/v1"}},
            "models": {MODEL: {"routes": f"{SIMULATOR}/{MODEL}"}},
        }
    },
}


@pytest.fixture(scope="module")
def nodes() -> list[str]:
    """The two nodes that are used; the second one is drained."""
    items = json.loads(kubectl("get", "nodes", "--output", "json"))["items"]
    names = [each["metadata"]["name"] for each in items if not each["spec"].get("taints")]
    assert len(names) >= 2, "the tests need two nodes that pods may run on"
    return sorted(names)[:2]


@pytest.fixture(scope="module")
def release(kept_namespace: Namespace, nodes: list[str]) -> Namespace:
    """The namespace with a release of two pods in front of the simulated upstream."""
    kept_namespace.apply(*simulator(kept_namespace.name, nodes[0]))
    kept_namespace.kubectl("wait", "--for=condition=Ready", f"pod/{SIMULATOR}", "--timeout=60s")
    kept_namespace.upgrade(**VALUES)
    kept_namespace.wait_until_ready(2)
    create_clients(kept_namespace, nodes[0])
    return kept_namespace


@pytest.fixture(scope="module")
def loads(release: Namespace) -> Iterator[Loads]:
    """60 long answers and 12 short ones, at all times."""
    started = Loads(release)
    try:
        until(started.all_run, "every answer has begun")
        yield started
    finally:
        started.kill()


def names(release: Namespace) -> set[str]:
    """Return the names of the pods that are not told to end."""
    return {pod["metadata"]["name"] for pod in release.pods()}


def wait_until_gone(release: Namespace, pods: set[str]) -> None:
    """Wait until pods have ended, after their drain."""
    targets = [f"pod/{name}" for name in pods]
    release.kubectl("wait", "--for=delete", *targets, "--timeout=120s", within=125)


def test_two_rollouts_back_to_back(release: Namespace, loads: Loads) -> None:
    """A second rollout 15 s after the first one fails no call, with the defaults of each gRPC."""
    before = names(release)
    release.kubectl("rollout", "restart", "deployment/tokenwire")
    # The promise is a time: the second rollout comes before clients look for addresses again.
    time.sleep(BACK_TO_BACK_SECONDS)
    release.kubectl("rollout", "restart", "deployment/tokenwire")
    release.rolled_out()
    assert not before & names(release)
    assert loads.failures() == {}


def test_an_upgrade_and_a_rollback(release: Namespace, loads: Loads) -> None:
    """`helm upgrade` with another setting, and `helm rollback` half-way through, fail no call."""
    before = names(release)
    settings = VALUES["settings"] | {"TOKENWIRE_LOG_LEVEL": "debug"}
    release.upgrade(**VALUES | {"settings": settings})
    [new] = until(lambda: release.ready_pods() - before, "a pod of the upgrade is ready")
    variables = release.kubectl("exec", new, "--", "python", "-c", "import os; print(os.environ)")
    assert "'TOKENWIRE_LOG_LEVEL': 'debug'" in variables
    release.helm("rollback", "tokenwire")
    release.rolled_out()
    wait_until_gone(release, {new})
    assert loads.failures() == {}


def test_up_and_down(release: Namespace, loads: Loads) -> None:
    """From 2 pods to 4, to 1 and to 2: no call fails, and new pods get their share.

    Within the age of connections, the time between two resolutions and an answer, each of four pods
    has at least half of a fair share.
    """
    release.kubectl("scale", "deployment/tokenwire", "--replicas=4")
    four = release.wait_until_ready(4)
    within = AGE_SECONDS * 1.1 + RESOLUTION_SECONDS + TOKENS[1] / 20
    share = STREAMS / 4
    until(lambda: all(in_flight(release, pod) >= share / 2 for pod in four), "a fair share", within)
    release.kubectl("scale", "deployment/tokenwire", "--replicas=1")
    left = until(lambda: pods if len(pods := names(release)) == 1 else None, "one pod is left")
    release.kubectl("scale", "deployment/tokenwire", "--replicas=2")
    wait_until_gone(release, four - left)
    assert len(release.ready_pods()) == 2
    assert loads.failures() == {}


def test_a_deleted_pod(release: Namespace, loads: Loads) -> None:
    """`kubectl delete pod` fails no call."""
    pod = min(names(release))
    release.kubectl("delete", "pod", pod, within=120)
    assert len(release.ready_pods()) == 2
    assert loads.failures() == {}


def test_a_drained_node(release: Namespace, loads: Loads, nodes: list[str]) -> None:
    """The page's command drains a node under the PodDisruptionBudget, and fails no call."""
    [line] = doc.NODES
    node = nodes[1]
    assert any(pod["spec"]["nodeName"] == node for pod in release.pods())
    try:
        command(*doc.words(line.replace("NODE", node)), within=150)
        assert {pod["spec"]["nodeName"] for pod in release.pods()} == {nodes[0]}
        assert len(release.ready_pods()) == 2
    finally:
        kubectl("uncordon", node)
    assert loads.failures() == {}


def serves_another(release: Namespace, pod: str) -> bool:
    """Return whether a pod serves the model `another`."""
    return "another" in release.kubectl("exec", pod, "--", "tokenwire", "models")


def test_a_new_gateway_file(release: Namespace, loads: Loads) -> None:
    """A new gateway file in the ConfigMap is served by the running pods, and fails no call."""
    before = names(release)
    content = VALUES["gatewayFile"]["content"]
    models = content["models"] | {"another": {"routes": f"{SIMULATOR}/another"}}
    file = {"content": content | {"models": models, "default_model": MODEL}}
    release.upgrade(**VALUES | {"gatewayFile": file})
    until(lambda: all(serves_another(release, pod) for pod in before), "the new model", 120)
    assert names(release) == before
    assert loads.failures() == {}


def test_every_answer_was_whole(loads: Loads) -> None:
    """At least 1,000 long answers ran during all that, and 10,000 short ones.

    Each was complete, token by token, once.
    """
    reports = loads.finish()
    complete = {name: report["complete"] for name, report in reports.items()}
    log.info("complete answers: %s", complete)
    assert {
        name: report["failures"] for name, report in reports.items() if report["failures"]
    } == {}
    assert sum(complete[name] for name in CLIENTS) >= 1_000
    assert sum(complete[name] for name in SHORT) >= 10_000
