"""A pod that hangs, is killed or never starts costs the other pods' answers nothing."""

import json
import logging
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from support.kube import Namespace, command, until
from support.kube_load import RunningLoad, create_python_clients
from support.kube_pods import container, flood, in_flight, stop_server

log = logging.getLogger(__name__)
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

STREAMS: Final = 12
TOKENS: Final = (200, 300)
"""The least and the most tokens of an answer, which takes 10 s to 15 s."""
SHORT: Final = (20, 300)
CUT_OFF: Final = (800, 900)
"""The same of answers that change pods sooner, and of those that a pod's end cuts off."""
# A restart after about 14 s. The defaults take 75 s.
LIVENESS: Final = {
    "periodSeconds": 3,
    "timeoutSeconds": 3,
    "failureThreshold": 3,
    "terminationGracePeriodSeconds": 2,
}
VALUES: Final[dict[str, Any]] = {
    "demo": {"enabled": True},
    "replicas": 3,
    "minReadySeconds": 0,
    # Too little for 30 requests of 4 MB at once, each of which takes several times its bytes.
    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    "probes": {"liveness": LIVENESS},
    "settings": {"TOKENWIRE_DRAIN_SECONDS": 35, "TOKENWIRE_GRACE_SECONDS": 30},
}
SHARED: Final = {"spec": {"replicas": 3, "template": {"spec": {"shareProcessNamespace": True}}}}


@pytest.fixture(scope="module")
def release(kept_namespace: Namespace) -> Namespace:
    """The namespace with a release of three pods, whose processes `kubectl exec` can stop."""
    kept_namespace.upgrade(**VALUES | {"replicas": 0})
    kept_namespace.kubectl("patch", "deployment", "tokenwire", "--patch", json.dumps(SHARED))
    create_python_clients(kept_namespace)
    kept_namespace.wait_until_ready(3)
    return kept_namespace


def address(pod: dict[str, Any]) -> str:
    """Return the address of a pod."""
    return f"{pod['status']['podIP']}:50051"


def load(release: Namespace, target: str, tokens: tuple[int, int] = TOKENS) -> RunningLoad:
    """Start answers at a target."""
    return RunningLoad(release, "python", target=target, streams=STREAMS, tokens=tokens)


@pytest.fixture(scope="module")
def service_load(release: Namespace) -> Iterator[RunningLoad]:
    """Answers by the Service's name, at all times, of each pod."""
    started = load(release, f"dns:///tokenwire.{release.name}.svc:50051", SHORT)
    pods = release.ready_pods()
    try:
        # The first answers are all of the pod to which the client has connected first.
        until(lambda: all(in_flight(release, pod) for pod in pods), "each pod answers")
        yield started
    finally:
        started.kill()


def events(release: Namespace, pod: str) -> str:
    """Return the reasons and messages of a pod's events, one a line."""
    columns = "custom-columns=REASON:.reason,MESSAGE:.message"
    selector = f"involvedObject.name={pod}"
    return release.kubectl("get", "events", "--field-selector", selector, "--output", columns)


def begun(failure: str) -> int:
    """Return how many pieces of its answer a failed call had received; its status is UNAVAILABLE.

    That is the status after which a client may call again.
    """
    found = re.search(r" UNAVAILABLE *\S* after (\d+) pieces: ", failure)
    assert found, failure
    return int(found[1])


def test_a_stopped_and_an_out_of_memory_pod(release: Namespace, service_load: RunningLoad) -> None:
    """Liveness restarts a stopped process, and the kernel kills one without memory.

    Only answers of these two pods fail, with UNAVAILABLE.
    """
    stopped, killed, spared = release.pods()
    loads = [
        load(release, address(stopped), CUT_OFF),
        load(release, address(killed), CUT_OFF),
        load(release, address(spared)),
    ]
    try:
        for each in (*loads, service_load):
            until(lambda each=each: each.report()["running"] == STREAMS, "all answers run")  # type: ignore[misc]
        for each in loads:
            each.end()
        stop_server(release, stopped["metadata"]["name"])
        assert set(flood(release, address(killed))) == {"UNAVAILABLE"}
        of_stopped, of_killed, of_spared = (each.last_report() for each in loads)
    finally:
        for each in loads:
            each.kill()
    assert of_spared["failures"] == []
    for report in (of_stopped, of_killed):
        assert len(report["failures"]) == STREAMS
        assert all(begun(failure) for failure in report["failures"])
    log.info("answers cut off: %s", of_stopped["failures"] + of_killed["failures"])


def test_both_pods_serve_again(release: Namespace, service_load: RunningLoad) -> None:
    """Both pods are ready again after one restart, and kubectl shows why they were restarted.

    A client of the Service has lost no other answers than those that had begun.
    """
    until(lambda: sum(container(pod)["restartCount"] for pod in release.pods()) == 2, "restarts")
    release.wait_until_ready(3)
    failures = service_load.report()["failures"]
    log.info("answers of the Service cut off: %s", failures)
    assert 0 < len(failures) <= STREAMS
    assert all(begun(failure) for failure in failures)
    pods = {
        container(pod)["lastState"]["terminated"]["reason"]: pod
        for pod in release.pods()
        if container(pod)["restartCount"]
    }
    assert set(pods) == {"OOMKilled", "Error"}
    assert "Liveness probe failed" in events(release, pods["Error"]["metadata"]["name"])
    for pod in pods.values():
        assert container(pod)["restartCount"] == 1
        assert container(pod)["lastState"]["terminated"]["exitCode"] == 137


def new_pod(release: Namespace, before: set[str]) -> dict[str, Any] | None:
    """Return the pod of a rollout, if it is there."""
    return next((pod for pod in release.pods() if pod["metadata"]["name"] not in before), None)


def test_a_full_node(release: Namespace, service_load: RunningLoad) -> None:
    """A rollout whose pod fits on no node waits, and the pods before it keep serving."""
    before, failures = release.ready_pods(), service_load.report()["failures"]
    resources = VALUES["resources"] | {"requests": {"cpu": "1000"}}
    release.upgrade(**VALUES | {"resources": resources})
    pod = until(lambda: new_pod(release, before), "the new pod")
    name = pod["metadata"]["name"]
    until(lambda: "Insufficient cpu" in events(release, name), "the scheduler's event")
    assert release.get("pod", name)["status"]["phase"] == "Pending"
    status = ("rollout", "status", "deployment/tokenwire", "--timeout=1s")
    waiting = command("kubectl", "--namespace", release.name, *status, check=False)
    assert "1 out of 3 new replicas have been updated" in waiting.stdout
    assert release.ready_pods() == before
    assert service_load.report()["failures"] == failures


def test_a_setting_with_a_mistake(release: Namespace, service_load: RunningLoad) -> None:
    """`kubectl describe pod` shows why a server did not start, in one line for each mistake.

    The pods before it keep serving.
    """
    before, failures = release.ready_pods(), service_load.report()["failures"]
    # Helm checks `settings` itself.
    mistake = [{"name": "TOKENWIRE_MAX_STREAMS", "value": "many"}]
    release.upgrade(**VALUES | {"extraEnv": mistake})

    def message() -> str | None:
        for pod in release.pods():
            for each in pod["status"].get("containerStatuses", ()):
                ended = each["state"].get("terminated") or each["lastState"].get("terminated")
                if pod["metadata"]["name"] not in before and ended:
                    return str(ended.get("message"))
        return None

    text = until(message, "the container has ended")
    log.info("message: %r", text)
    assert "TOKENWIRE_MAX_STREAMS" in text
    assert "many" in text
    assert text.count("\n") == 1
    assert release.ready_pods() == before
    assert service_load.report()["failures"] == failures
