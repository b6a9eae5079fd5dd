"""Keys of upstreams and of callers are replaced without a failed call, also behind a virtual IP."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from support.kube import Namespace, until
from support.kube_echo import BASE_URL, ECHO, echo
from support.kube_load import RunningLoad, create_python_clients
from support.kube_pods import container, metrics

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

OLD, NEW = "sk-old", "sk-new"
CALLER_KEYS: Final = ("tw-first", "tw-second")
MOUNT_SECONDS: Final = 150
"""The time until the kubelet has written a new file into a pod, with the kubelet's defaults."""
COMMON: Final[dict[str, Any]] = {
    "minReadySeconds": 0,
    "resources": {"requests": {"cpu": "50m"}},
    "settings": {"TOKENWIRE_DRAIN_SECONDS": 5, "TOKENWIRE_GRACE_SECONDS": 5},
}


def write_keys(space: Namespace, key: str) -> None:
    """Write an upstream's key into the Secrets of both releases, which have their names."""
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"OPENAI_API_KEY": key}}
    for name in ("file", "virtual"):
        space.apply(secret | {"metadata": {"name": name, "namespace": space.name}})


def with_callers(*keys: str) -> dict[str, Any]:
    """Return the values of the release `file`, whose gateway file has these keys of a caller."""
    hashes = [f"sha256:{hashlib.sha256(key.encode()).hexdigest()}" for key in keys]
    content = {
        "upstreams": {ECHO: {"base_url": BASE_URL, "keys": [f"file:{SECRETS}/OPENAI_API_KEY"]}},
        "models": {"echo": {"routes": f"{ECHO}/echo"}},
        "callers": {"team": {"keys": hashes}},
    }
    return COMMON | {"gatewayFile": {"secrets": ["file"], "content": content}}


SECRETS: Final = "/etc/tokenwire-secrets/file"
VIRTUAL: Final = COMMON | {
    "service": {"headless": False},
    "apiKey": {"existingSecret": {"name": "virtual"}},
    "settings": COMMON["settings"] | {"OPENAI_BASE_URL": BASE_URL, "TOKENWIRE_MODEL": "echo"},
}


@pytest.fixture(scope="module")
def releases(kept_namespace: Namespace) -> Namespace:
    """The namespace with two releases of two pods before an upstream that tells its key.

    `file` has a gateway file with callers, `virtual` only a key, and a Service with an address.
    """
    space = kept_namespace
    write_keys(space, OLD)
    space.apply(*echo(space.name))
    space.upgrade("file", fullnameOverride="file", **with_callers(CALLER_KEYS[0]))
    space.upgrade("virtual", fullnameOverride="virtual", **VIRTUAL)
    create_python_clients(space)
    space.kubectl("wait", "--for=condition=Ready", f"pod/{ECHO}", "--timeout=60s", within=65)
    for name in ("file", "virtual"):
        space.wait_until_ready(2, name)
    return space


Start = Callable[..., RunningLoad]


@pytest.fixture(scope="module")
def start(releases: Namespace) -> Iterator[Start]:
    """Start a client that asks one question after another; all end with the tests."""
    started: list[RunningLoad] = []

    def start_one(target: str, **configuration: Any) -> RunningLoad:
        started.append(RunningLoad(releases, "ask", target=target, **configuration))
        return started[-1]

    yield start_one
    for each in started:
        each.kill()


def service(space: Namespace, name: str) -> str:
    """Return the target of a release."""
    return f"dns:///{name}.{space.name}.svc:50051"


@pytest.fixture(scope="module")
def callers(releases: Namespace, start: Start) -> dict[str, RunningLoad]:
    """A client of each release."""
    started = {
        "file": start(service(releases, "file"), key=CALLER_KEYS[0]),
        "virtual": start(service(releases, "virtual")),
    }
    for each in started.values():
        until(lambda each=each: each.report()["answers"], "the first answer")  # type: ignore[misc]
    return started


def restarts(space: Namespace, release: str) -> dict[str, int]:
    """Return the restarts of each pod of a release."""
    return {pod["metadata"]["name"]: container(pod)["restartCount"] for pod in space.pods(release)}


def calls(space: Namespace, pod: str) -> float:
    """Return the calls that a pod has answered."""
    lines = metrics(space, pod).splitlines()
    return sum(float(each.split()[-1]) for each in lines if each.startswith(CALLS))


CALLS: Final = 'tokenwire_calls_total{gen_ai_request_model="echo"'


def test_a_virtual_address(releases: Namespace, callers: dict[str, RunningLoad]) -> None:
    """With service.headless=false calls succeed, and all calls of a client go to one pod.

    The Service of the other release has no address, and each of its pods gets calls.
    """
    assert releases.get("service", "virtual")["spec"]["clusterIP"] != "None"
    until(lambda: callers["virtual"].report()["answers"][OLD] >= 20, "20 answers")
    counts = {
        name: sorted(calls(releases, pod) for pod in restarts(releases, name)) for name in callers
    }
    assert counts["virtual"][0] == 0
    assert counts["virtual"][1] >= 20
    assert counts["file"][0] > 0


def test_new_keys(releases: Namespace, callers: dict[str, RunningLoad], start: Start) -> None:
    """A new key of an upstream and a second key of a caller are used, and no call fails.

    With a gateway file the same pods use them; without, a rollout does, also behind a virtual IP.
    """
    before = restarts(releases, "file")
    renewed = start(service(releases, "file"), key=CALLER_KEYS[1])
    until(lambda: renewed.report()["last"] == "CREDENTIALS_INVALID", "the key is unknown")
    write_keys(releases, NEW)
    releases.upgrade("file", fullnameOverride="file", **with_callers(*CALLER_KEYS))
    releases.kubectl("rollout", "restart", "deployment/virtual")
    for each in (*callers.values(), renewed):
        until(lambda each=each: each.report()["last"] == NEW, "the new keys", MOUNT_SECONDS)  # type: ignore[misc]
    releases.rolled_out("virtual")
    assert restarts(releases, "file") == before
    for each in callers.values():
        report = each.report()
        assert report["failures"] == []
        assert set(report["answers"]) == {OLD, NEW}
