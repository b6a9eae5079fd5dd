"""Upgrades from the first chart, and the plain manifests of the server."""

import json
from typing import Any, Final

import pytest
import yaml

from support.first_chart import FIRST_CHART, first_values
from support.helm import CHART
from support.kube import DEMO, Namespace, command, kubectl, until
from support.kube_calls import calls_are_answered
from support.kube_simulator import SIMULATOR, simulator

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

FIRST: Final = "first"
MANIFESTS: Final = "deploy/k8s/server"


def values() -> str:
    """Return the first chart's values with the demo model, for which its image was another one."""
    return yaml.safe_dump(
        first_values() | {"demo": {"enabled": True}, "image": {"tag": DEMO.partition(":")[2]}}
    )


@pytest.fixture(scope="module")
def space(kept_namespace: Namespace) -> Namespace:
    """The namespace with a release of the first chart, and the plain manifests of the server."""
    words = ("--values", "-")
    kept_namespace.helm("install", FIRST, FIRST_CHART, *words, stdin=values())
    items = json.loads(kubectl("get", "nodes", "--output", "json"))["items"]
    node = min(each["metadata"]["name"] for each in items if not each["spec"].get("taints"))
    kept_namespace.apply(*simulator(kept_namespace.name, node))
    secret = ("secret", "generic", "openai", "--from-literal=OPENAI_API_KEY=sk-none")
    kept_namespace.kubectl("create", *secret)
    kept_namespace.kubectl("apply", "--filename", "-", stdin=yaml.safe_dump_all(manifests()))
    return kept_namespace


def manifests() -> list[dict[str, Any]]:
    """Return the plain manifests, with the simulator as the upstream, which the policy allows."""
    objects = list(yaml.safe_load_all(kubectl("kustomize", MANIFESTS)))
    for each in objects:
        if each["kind"] == "ConfigMap":
            each["data"]["OPENAI_BASE_URL"] = f"http://{SIMULATOR}:8080/v1"
        if each["kind"] == "NetworkPolicy":
            peers = [{"podSelector": {"matchLabels": {"app": SIMULATOR}}}]
            each["spec"]["egress"].append({"to": peers, "ports": [{"port": 8080}]})
    return objects


def test_reused_values_of_the_first_chart_are_refused(space: Namespace) -> None:
    """`--reuse-values`, which would lack the values that are new, is rejected with what to do."""
    words = ("helm", "upgrade", FIRST, CHART, "--reuse-values", "--namespace", space.name)
    done = command(*words, check=False)
    assert done.returncode == 1
    assert "upgrade with --reset-then-reuse-values instead" in done.stderr


def test_an_upgrade_from_the_first_chart(space: Namespace) -> None:
    """An upgrade with a copy of the first values succeeds, and each call meanwhile is answered."""
    before = space.wait_until_ready(2, FIRST)
    with calls_are_answered(space, f"dns:///{FIRST}-tokenwire:50051"):
        space.helm("upgrade", FIRST, CHART, "--values", "-", stdin=values())
        until(lambda: len(space.ready_pods(FIRST) - before) == 2, "two new pods", 120)
        first = sorted(before)
        until(lambda: not all(pod_is(space, pod) for pod in first), "an old pod has ended")


def pod_is(space: Namespace, name: str) -> bool:
    """Return whether a pod exists, even if it is told to end."""
    return bool(space.kubectl("get", "pod", name, "--ignore-not-found"))


def test_the_plain_manifests_of_the_server_serve(space: Namespace) -> None:
    """The server of deploy/k8s answers, with the key of its Secret and an upstream."""
    space.wait_until_ready(2)
    pod = min(space.ready_pods())
    assert "demo model" in space.kubectl("exec", pod, "--", "tokenwire", "chat", "hello")
