"""Probes and callers of pods with and without TLS, and certificates that are renewed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
import trustme

from support.certificates import Pair
from support.kube import Namespace, until
from support.kube_certificates import fingerprint, host, presented, server_pair, tls_secret
from support.kube_load import RunningLoad, create_python_clients

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

COMMON: Final[dict[str, Any]] = {
    "demo": {"enabled": True},
    "replicas": 1,
    "resources": {"requests": {"cpu": "50m"}},
    # Long enough for the kubelet to see NOT_SERVING.
    "settings": {"TOKENWIRE_DRAIN_SECONDS": 40, "TOKENWIRE_GRACE_SECONDS": 5},
}
PROBES: Final[dict[str, dict[str, Any]]] = {
    "grpc": {},
    "exec": {"probes": {"type": "exec"}},
    "tls": {"tls": {"enabled": True, "existingSecret": "tls"}},
    "mtls": {
        "tls": {
            "enabled": True,
            "existingSecret": "mtls",
            "clientCA": {"existingSecret": "mtls"},
            "probeSecret": "mtls",
        }
    },
}
"""The values of each release, by its name, which is also that of its Service."""
SECURE: Final = ("tls", "mtls")
TOKENS: Final = (100, 200)
"""The least and the most tokens of an answer, which takes 5 s to 10 s."""
MOUNT_SECONDS: Final = 150
"""The time until the kubelet has written a new Secret into a pod, with the kubelet's defaults."""
TERMINATE: Final = "import os, signal; os.kill(1, signal.SIGTERM)"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The authority of the servers and of the clients."""
    return trustme.CA()


@pytest.fixture(scope="module")
def releases(kept_namespace: Namespace, authority: trustme.CA) -> Namespace:
    """The namespace with a release of one pod for each kind of probe."""
    space = kept_namespace
    renew(space, authority)

    def install(name: str) -> None:
        space.upgrade(name, fullnameOverride=name, **COMMON, **PROBES[name])

    with ThreadPoolExecutor() as executor:
        installed = executor.map(install, PROBES)
        create_python_clients(space)
        list(installed)
    return space


def renew(space: Namespace, authority: trustme.CA) -> dict[str, Pair]:
    """Write a new certificate into each Secret, and return the certificates by release."""
    pairs = {name: server_pair(authority, space.name, name) for name in SECURE}
    space.apply(*(tls_secret(space.name, name, pair) for name, pair in pairs.items()))
    return pairs


def client(space: Namespace, name: str, tls: dict[str, bytes] | None, streams: int) -> RunningLoad:
    """Start a client of a release, with its files of TLS."""
    configuration: dict[str, Any] = {"streams": streams, "tokens": TOKENS}
    if tls:
        configuration["tls"] = {kind: pem.decode() for kind, pem in tls.items()}
    target = f"dns:///{host(space.name, name)}:50051"
    return RunningLoad(space, "python", target=target, **configuration)


@pytest.fixture(scope="module")
def loads(releases: Namespace, authority: trustme.CA) -> Iterator[dict[str, RunningLoad]]:
    """A client of each release, with five answers at all times."""
    shown = Pair(authority, "client.example.com")
    ca = {"ca": shown.authority}
    files = {"tls": ca, "mtls": ca | {"certificate": shown.certificate, "key": shown.key}}
    for name in PROBES:
        releases.wait_until_ready(1, name)
    started = {name: client(releases, name, files.get(name), 5) for name in PROBES}
    yield started
    for load in started.values():
        load.kill()


@pytest.mark.parametrize("name", PROBES)
def test_pods_are_ready_and_called(
    name: str, releases: Namespace, loads: dict[str, RunningLoad]
) -> None:
    """The pod is ready by its kind of probe, and a client in another pod gets answers."""
    [pod] = releases.pods(name)
    [container] = pod["spec"]["containers"]
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert ("grpc" if name == "grpc" else "exec") in container[kind]
    until(lambda: loads[name].report()["running"] == 5, "the answers run")


def test_callers_without_tls_are_refused(releases: Namespace, authority: trustme.CA) -> None:
    """A plaintext client of a pod with TLS, and one without a certificate at mTLS, get no answer.

    Their calls fail with UNAVAILABLE.
    """
    started = [
        client(releases, "tls", None, 1),
        client(releases, "mtls", {"ca": authority.cert_pem.bytes()}, 1),
    ]
    try:
        for load in started:
            until(lambda load=load: load.report()["failures"], "a failure")  # type: ignore[misc]
            report = load.report()
            assert report["complete"] == 0
            assert all(" UNAVAILABLE " in each for each in report["failures"])
    finally:
        for load in started:
            load.kill()


def test_a_renewed_certificate(
    releases: Namespace, authority: trustme.CA, loads: dict[str, RunningLoad]
) -> None:
    """New connections get a renewed certificate, and running answers end whole, with no restart."""
    renewed = renew(releases, authority)
    for name, pair in renewed.items():
        until(
            lambda name=name, pair=pair: (  # type: ignore[misc]
                presented(releases, host(releases.name, name)) == fingerprint(pair)
            ),
            f"{name} presents the renewed certificate",
            MOUNT_SECONDS,
        )
    for load in loads.values():
        load.end()
    for name, load in loads.items():
        report = load.last_report()
        assert report["failures"] == []
        assert report["complete"] >= 5
        [pod] = releases.pods(name)
        [status] = pod["status"]["containerStatuses"]
        assert status["restartCount"] == 0


def test_pods_become_not_ready(releases: Namespace) -> None:
    """A pod whose server reports NOT_SERVING becomes not ready, before its process ends."""
    pods = {name: releases.pods(name)[0]["metadata"]["name"] for name in PROBES}
    for pod in pods.values():
        releases.kubectl("exec", pod, "--", "python", "-c", TERMINATE)
    for name in PROBES:
        until(lambda name=name: not releases.ready_pods(name), f"{name} is not ready")  # type: ignore[misc]
    for pod in pods.values():
        [status] = releases.get("pod", pod)["status"]["containerStatuses"]
        assert "running" in status["state"]
        assert status["restartCount"] == 0
