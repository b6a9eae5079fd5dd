"""What docs/kubernetes-troubleshooting.md says is shown and done, for problems that are real.

All problems are provoked at once; then each test looks at one, and at last all are mended.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from support import kube_trouble as trouble
from support import troubleshooting_doc as page
from support.helm import CHART
from support.kube import RESTRICTED, Namespace, command, kubectl, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

WITHIN: Final = 120
CALLS: Final = 10
CALL: Final = f"""
from tokenwire_client import SyncClient

with SyncClient("dns:///routes-tokenwire:50051") as client:
    for _ in range({CALLS}):
        print(client.ask("hello").content)
"""


@pytest.fixture(scope="module")
def small() -> Iterator[Namespace]:
    """A namespace with a quota that is too small."""
    created = Namespace("troubleshooting-quota")
    created.create(RESTRICTED)
    yield created
    created.delete()


@pytest.fixture(scope="module")
def space(kept_namespace: Namespace, small: Namespace) -> Namespace:
    """The namespace of all other problems."""
    items = json.loads(kubectl("get", "nodes", "--output", "json"))["items"]
    node = min(each["metadata"]["name"] for each in items if not each["spec"].get("taints"))
    trouble.provoke(kept_namespace, small, node)
    return kept_namespace


def run(line: str, release: str, namespace: Namespace) -> str:
    """Run a command of the page, for a release in a namespace."""
    return command(*page.adapted(line, release, namespace.name)).stdout


def described(namespace: Namespace, release: str) -> str:
    """Return what the commands of the page's introduction show for a release."""
    get, describe, _ = page.commands(page.INTRODUCTION)
    return run(get, release, namespace) + run(describe, release, namespace)


def assert_shown(title: str, look: Callable[[], str], block: int = 0) -> None:
    """Wait until all that a section of the page says is shown."""
    lines = page.shown(title, block)
    seen = ""

    def all_lines() -> bool:
        nonlocal seen
        seen = look()
        return all(line in seen for line in lines)

    try:
        until(all_lines, title, WITHIN)
    except AssertionError as error:
        error.add_note(seen)
        raise


def mend(namespace: Namespace, release: str) -> None:
    """Upgrade a release to values without a problem; the last test waits for its pods."""
    # Another template, so that the pods of one with the same values are tried again at once.
    namespace.upgrade(release, **trouble.FAST | trouble.DEMO_MODEL | {"podLabels": {"try": "2"}})


def chat(namespace: Namespace, release: str, *words: str) -> str:
    """Run `tokenwire chat` in a pod of a release, and return all its output."""
    program = ("exec", f"deployment/{release}-tokenwire", "--", "tokenwire", "chat", *words)
    done = command("kubectl", "--namespace", namespace.name, *program, check=False)
    return done.stdout + done.stderr


def log(namespace: Namespace, release: str) -> str:
    """Return the log of all pods of a release."""
    label = f"app.kubernetes.io/instance={release}"
    return namespace.kubectl("logs", "--selector", label, "--tail=50")


def test_a_secret_is_missing(space: Namespace) -> None:
    """The pods wait for their Secret, which the page's command creates."""
    assert_shown("A Secret is missing", lambda: described(space, "secret"))
    assert_shown("A Secret is missing", lambda: described(space, "gateway"), 1)
    [create] = page.commands(page.SECTIONS["A Secret is missing"])
    run(create, "secret", space)  # the last test waits for the pod: the kubelet looks again later


@pytest.mark.parametrize(
    ("title", "release"),
    [
        ("No node has room", "room"),
        ("The memory limit is too small", "memory"),
        ("The probes fail", "probes"),
        ("A setting is wrong", "setting"),
    ],
)
def test_what_kubectl_describe_shows(title: str, release: str, space: Namespace) -> None:
    """`kubectl get pods` and `kubectl describe pods` show what the page says."""
    assert_shown(title, lambda: described(space, release))
    mend(space, release)


@pytest.mark.parametrize(("block", "release"), [(0, "security"), (1, "quota"), (2, "priority")])
def test_no_pod_is_created(block: int, release: str, space: Namespace, small: Namespace) -> None:
    """The events of the ReplicaSet show which rule of the namespace rejects the pod."""
    namespace = small if release == "quota" else space
    [line] = page.commands(page.SECTIONS["No pod is created"])
    assert_shown("No pod is created", lambda: run(line, release, namespace), block)
    assert namespace.pods(release) == []
    if release == "quota":
        small.apply(trouble.quota(small.name, "2Gi"))
    mend(namespace, release)


def test_an_upgrade_does_not_finish(space: Namespace) -> None:
    """An upgrade to an image that is not there ends in time, and the page's rollback undoes it.

    Meanwhile the old pod serves, and the new one shows why it is not ready.
    """
    before = space.wait_until_ready(1, "image")
    words = ("upgrade", "image", CHART, "--reuse-values", "--set", "image.tag=9.9.9")
    waiting = ("--wait", "--timeout", "3s", "--namespace", space.name)
    done = command("helm", *words, *waiting, check=False)
    assert_shown("An upgrade does not finish", lambda: done.stderr)
    assert_shown("The image is not found", lambda: described(space, "image"))
    assert "demo model" in chat(space, "image", "hello")
    [line] = page.commands(page.SECTIONS["An upgrade does not finish"])
    run(line, "image", space)
    space.rolled_out("image-tokenwire")
    assert space.ready_pods("image") == before


@pytest.mark.parametrize(
    ("title", "block", "words"),
    [
        ("The upstream rejects the key", 0, ["hello [[demo: status 401]]"]),
        ("The model is unknown", 0, ["--model", "another", "hello"]),
        ("The model is unknown", 1, ["hello [[demo: status 404]]"]),
        ("The upstream cannot be reached", 0, ["--model", "dns", "hello"]),
        ("The upstream cannot be reached", 0, ["--model", "connection_refused", "hello"]),
        ("The upstream cannot be reached", 0, ["--model", "connect_timeout", "hello"]),
    ],
)
def test_what_callers_get(title: str, block: int, words: list[str], space: Namespace) -> None:
    """The caller gets the status that the page names, and the log has the cause."""
    space.wait_until_ready(2, "routes")
    [expected] = page.shown(title, block)
    assert expected in chat(space, "routes", *words)
    assert f'"reason": "{expected.split()[1]}"' in log(space, "routes")
    if words[0] == "--model" and words[1] in page.SECTIONS[title]:
        assert re.search(rf"^\| .*`{words[1]}`.* \|", page.SECTIONS[title], re.MULTILINE)
        assert f'"cause": "{words[1]}"' in log(space, "routes")


def test_the_models_that_are_offered(space: Namespace) -> None:
    """The page's command lists the models of the service."""
    [line] = page.commands(page.SECTIONS["The model is unknown"])
    assert re.search(r"^demo\tdefault", run(line, "routes", space), re.MULTILINE)


def look_now(namespace: Namespace, release: str) -> None:
    """Let the kubelet look for new content of volumes now: it does when a pod changes."""
    label = f"app.kubernetes.io/instance={release}"
    namespace.kubectl("annotate", "pods", "--selector", label, "--overwrite", "look=now")
    namespace.kubectl("annotate", "pods", "--selector", label, "look-")


def test_the_gateway_file_is_wrong(space: Namespace) -> None:
    """The pods log the mistake, set the metric and serve on; a right file mends it."""
    pods = space.wait_until_ready(2, "routes")
    space.apply(trouble.routes(space.name, "simulater"))
    look_now(space, "routes")
    assert_shown("The gateway file is wrong", lambda: log(space, "routes"))
    assert "0" in {metric(space, pod, "tokenwire_gateway_file_usable") for pod in pods}
    assert "demo model" in chat(space, "routes", "hello")
    space.apply(trouble.routes(space.name))
    look_now(space, "routes")
    until(lambda: "gateway file reloaded" in log(space, "routes"), "it is reloaded", WITHIN)
    assert space.ready_pods("routes") == pods


def test_the_certificate_is_for_another_name(space: Namespace) -> None:
    """A client says that the name differs, and can expect the other; a new certificate mends it."""
    pods = space.wait_until_ready(1, "tls")
    name = "tls-tokenwire"
    words = ("--address", f"{name}:50051", "--ca", "/etc/tokenwire-tls/tls.crt", "hello")
    assert_shown("The certificate is for another name", lambda: chat(space, "tls", *words))
    assert "demo model" in chat(space, "tls", "--server-name", trouble.CERTIFIED, *words)
    space.apply(trouble.certificate(space.name, name))
    look_now(space, "tls")
    until(lambda: "demo model" in chat(space, "tls", *words), "it is served", WITHIN)
    assert space.ready_pods("tls") == pods


def metric(namespace: Namespace, pod: str, name: str) -> str:
    """Return the value of a metric of a pod, or 0 if it has none."""
    path = f"/api/v1/namespaces/{namespace.name}/pods/{pod}:9464/proxy/metrics"
    found = re.search(rf"^{name} (\d+)", kubectl("get", "--raw", path), re.MULTILINE)
    return found[1] if found else "0"


def calls_by_pod(namespace: Namespace, pods: set[str]) -> list[int]:
    """Make some calls over one client, and return how many each pod got."""
    handled = r'grpc_server_handled_total{.*grpc_code="OK".*grpc_method="Ask".*}'
    before = {pod: int(metric(namespace, pod, handled)) for pod in pods}
    namespace.kubectl("exec", "deployment/image-tokenwire", "--", "python", "-c", CALL)
    return sorted(int(metric(namespace, pod, handled)) - before[pod] for pod in pods)


def test_one_pod_gets_all_the_calls(space: Namespace) -> None:
    """With a virtual address one of two pods gets all calls; with the page's commands, both do."""
    pods = space.wait_until_ready(2, "routes")
    assert space.get("service", "routes-tokenwire")["spec"]["clusterIP"] != "None"
    assert calls_by_pod(space, pods) == [0, CALLS]
    delete, upgrade = page.commands(page.SECTIONS["One pod gets all the calls"])
    words = page.adapted(upgrade, "routes", space.name)
    assert_shown("One pod gets all the calls", lambda: command(*words, check=False).stderr)
    run(delete, "routes", space)
    command(*words)
    # A client begins with the pod that it reaches first, so the shares differ a little.
    until(lambda: min(calls_by_pod(space, pods)) > 0, "both pods get calls", WITHIN)
    assert space.ready_pods("routes") == pods


def test_all_of_them_are_mended(space: Namespace, small: Namespace) -> None:
    """With what the page says to do, all releases get ready."""
    for release in set(trouble.RELEASES) - {"image", "routes", "tls"}:
        space.rolled_out(f"{release}-tokenwire")
    small.rolled_out("quota-tokenwire")
    assert "demo model" in chat(space, "secret", "hello")
    *_, logs = page.commands(page.INTRODUCTION)
    assert '"event": "call ended"' in run(logs, "secret", space)
    [key] = page.commands(page.SECTIONS["The upstream rejects the key"])
    assert base64.b64decode(run(key, "secret", space)) == b"sk-..."
