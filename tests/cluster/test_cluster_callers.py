"""Callers on a cluster: who may call, what reaches what, and how much all pods let through."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from support.kube import RESTRICTED, Namespace, kubectl, until
from support.kube_callers import (
    KEY,
    LISTENER,
    STREAMS,
    TOKENS,
    CallingPod,
    HeldCalls,
    caller,
    reachable,
    values,
    values_with_keys,
)
from support.kube_simulator import SIMULATOR, simulator

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

SERVERS: Final = "app.kubernetes.io/component=server"
GRPC: Final = 50051
METRICS: Final = 9464
TOKEN: Final = f"{TOKENS}/tokenwire/token"
LEASE_SECONDS: Final = 60
ANSWERED: Final = "answered"
REFUSED: Final = "RESOURCE_EXHAUSTED CALLER_TOO_MANY_STREAMS"


class Release:
    """A release with callers, in a namespace with pods that call it.

    Args:
        namespace: Its namespace.
        other: Another namespace.

    Attributes:
        caller: A pod of the release's namespace.
        stranger: A pod of the other namespace that reaches the port of gRPC.
    """

    def __init__(self, namespace: Namespace, other: Namespace) -> None:
        self.namespace = namespace
        self.other = other
        self.caller = CallingPod(namespace, "caller")
        self.stranger = CallingPod(other, "stranger")
        self.killed_at = 0.0

    @property
    def target(self) -> str:
        """The name that clients resolve."""
        return f"dns:///tokenwire.{self.namespace.name}.svc:{GRPC}"

    def install(self) -> None:
        """Install everything, and wait until it is ready."""
        space, other = self.namespace.name, self.other.name
        [node, *_] = json.loads(kubectl("get", *PODS_RUN_ON, "--output", "json"))["items"]
        self.namespace.upgrade(**values(other, without_store="refuse"))
        self.namespace.apply(
            *simulator(space, node["metadata"]["name"]),
            caller(space, "caller"),
            caller(space, "scraper"),
            caller(other, "stranger", calls="yes"),
            caller(other, "outsider"),
        )
        ready = ("wait", "--for=condition=Ready", "pods", "--all", "--timeout=90s")
        self.other.kubectl(*ready, within=95)
        self.namespace.kubectl(*ready, within=95)

    def server_pods(self) -> list[tuple[str, str]]:
        """Return the name and the target of each pod of the server that is ready, in order."""
        ready = self.namespace.ready_pods()
        pods = self.namespace.get("pods", "--selector", SERVERS)["items"]
        return sorted(
            (pod["metadata"]["name"], f"{pod['status']['podIP']}:{GRPC}")
            for pod in pods
            if pod["metadata"]["name"] in ready
        )

    def two_server_pods(self) -> list[tuple[str, str]]:
        """Wait until both pods of the server are ready, and return them."""
        return until(
            lambda: pods if len(pods := self.server_pods()) == 2 else None, "two pods are ready"
        )

    def address(self, namespace: Namespace, pod: str) -> str:
        """Return the address of a pod."""
        found: str = namespace.get("pod", pod)["status"]["podIP"]
        return found


PODS_RUN_ON: Final = ("nodes", "--selector=!node-role.kubernetes.io/control-plane")


@pytest.fixture(scope="module")
def release(kept_namespace: Namespace) -> Iterator[Release]:
    """The release, with Redis, service accounts as callers and policies."""
    other = Namespace(f"{kept_namespace.name}-other")
    other.create(RESTRICTED)
    try:
        installed = Release(kept_namespace, other)
        installed.install()
        yield installed
    finally:
        other.delete()


def test_two_pods_share_the_limits_of_a_caller(release: Release) -> None:
    """A limit holds over two pods together, and the calls of a pod that was killed still count."""
    (killed, first), (_, second) = release.two_server_pods()
    held = release.caller.held(first, key=KEY, calls=3)
    more = release.caller.held(second, key=KEY, calls=3)
    try:
        assert held.began == {first: [ANSWERED] * 3}
        assert sorted(more.began[second]) == [REFUSED, REFUSED, ANSWERED]
        # The kubelet kills it after a second, in which it does not end its answers.
        release.namespace.kubectl("delete", "pod", killed, "--force", "--grace-period=0")
        release.killed_at = time.monotonic()
        assert release.caller.call(second, key=KEY) == {second: [REFUSED]}
        ended = until(lambda: held.ended(first, 3), "the answers of the killed pod ended")
        assert set(ended) == {"UNAVAILABLE"}
    finally:
        held.kill()
        more.kill()


def test_only_service_accounts_of_the_namespace_call(release: Release) -> None:
    """A pod calls with its token, and gets exact statuses without one or with a wrong one."""
    own, target = release.caller, release.target
    invalid = "UNAUTHENTICATED CREDENTIALS_INVALID"
    assert own.call(target, token_file=TOKEN) == {target: [ANSWERED]}
    assert own.call(target) == {target: ["UNAUTHENTICATED CREDENTIALS_MISSING"]}
    assert own.call(target, token_file=f"{TOKENS}/other/token") == {target: [invalid]}
    assert release.stranger.call(target, token_file=TOKEN) == {target: [invalid]}


def test_policies_let_through_what_the_values_list(release: Release) -> None:
    """Each pod reaches what the policies of the release allow it, and nothing else."""
    own, other = release.namespace, release.other
    server = f"tokenwire.{own.name}.svc"
    listening = {
        "grpc": (server, GRPC),
        "metrics": (server, METRICS),
        "redis": (f"tokenwire-redis.{own.name}.svc", 6379),
        "caller": (release.address(own, "caller"), LISTENER),
        "outsider": (release.address(other, "outsider"), LISTENER),
        "simulator": (f"{SIMULATOR}.{own.name}.svc", 8080),
        "API server": ("kubernetes.default.svc", 443),
    }
    (pod, _), (_, target) = release.two_server_pods()
    address, _, _ = target.partition(":")
    # By its name, a pod of the server may reach itself.
    from_server = listening | {"grpc": (address, GRPC), "metrics": (address, METRICS)}
    others = {"caller", "outsider", "simulator", "API server"}
    expected = {
        (own, "caller"): {"grpc"} | others,
        (own, "scraper"): {"grpc", "metrics"} | others,
        (other, "stranger"): {"grpc"} | others,
        (other, "outsider"): others,
        (own, pod): {"redis", "simulator", "API server"},
    }
    with ThreadPoolExecutor() as pool:
        found = {
            (space, name): pool.submit(
                reachable, space, name, from_server if name == pod else listening
            )
            for space, name in expected
        }
    assert {key: each.result() for key, each in found.items()} == expected


def test_only_scrapers_see_the_status_page(release: Release) -> None:
    """The status page is served to the pods that `networkPolicy.metricsFrom` lists."""
    address = f"http://tokenwire:{METRICS}/status.json"
    program = (
        f"import urllib.request as r; print(r.urlopen({address!r}, timeout=5).read().decode())"
    )
    scraper = CallingPod(release.namespace, "scraper")
    [worker, *_] = json.loads(scraper.run(program))
    assert worker["models"]


def test_the_calls_of_a_killed_pod_count_for_a_minute(release: Release) -> None:
    """The calls that ran on a pod that was killed count against the limit for at most a minute."""
    targets = [target for _, target in release.two_server_pods()]

    def calls() -> HeldCalls | None:
        held = release.caller.held(*targets, key=KEY, calls=STREAMS)
        if sum(each.count(ANSWERED) for each in held.began.values()) == STREAMS:
            return held
        held.kill()
        return None

    until(calls, "the whole limit is free", LEASE_SECONDS + 30).kill()
    assert time.monotonic() - release.killed_at < LEASE_SECONDS + 15


def test_without_redis_calls_are_refused_or_counted_by_each_pod(release: Release) -> None:
    """While Redis is away, `without_store` says what happens; when it is back, pods share again."""
    targets = [target for _, target in release.two_server_pods()]
    redis = ("scale", "deployment/tokenwire-redis")

    def answered(calls: int) -> list[int]:
        """Return how many calls at once each pod answers."""
        held = release.caller.held(*targets, key=KEY, calls=calls)
        held.kill()
        return [each.count(ANSWERED) for each in held.began.values()]

    release.namespace.kubectl(*redis, "--replicas=0")
    refused = {target: ["UNAVAILABLE LIMITS_UNAVAILABLE"] for target in targets}
    until(lambda: release.caller.call(*targets, key=KEY) == refused, "calls are refused")
    # This caller has no limits.
    assert release.caller.call(release.target, token_file=TOKEN) == {release.target: [ANSWERED]}

    replace_in_file(release.namespace, '"refuse"', '"local"')
    until(lambda: answered(STREAMS + 1) == [STREAMS] * 2, "each pod counts for itself", 120)

    release.namespace.kubectl(*redis, "--replicas=1")
    until(lambda: sum(answered(STREAMS)) == STREAMS, "the pods count together")


def test_helm_test_calls_with_the_key_of_a_caller(release: Release) -> None:
    """`helm test` succeeds where callers need a key: without one it requests no answer."""
    space, name = release.namespace, "keyed"
    test = ("test", name, "--logs")
    space.upgrade(name, **values_with_keys())
    space.wait_until_ready(1, name)
    assert "No answer was requested, because callers need a key" in space.helm(*test)

    space.kubectl("create", "secret", "generic", "team", f"--from-literal=key={KEY}")
    space.upgrade(name, **values_with_keys(callerKey={"existingSecret": {"name": "team"}}))
    answered = space.helm(*test)
    assert "built-in demo model" in answered
    assert "No answer was requested" not in answered


def replace_in_file(namespace: Namespace, old: str, new: str) -> None:
    """Replace a text in the gateway file of the release, and have the kubelet mount it soon."""
    name = "configmap/tokenwire-gateway"
    text: str = namespace.get(name)["data"]["gateway.yaml"]
    assert old in text
    patch = json.dumps({"data": {"gateway.yaml": text.replace(old, new)}})
    namespace.kubectl("patch", name, "--type=merge", "--patch", patch)
    # Each change of a pod makes the kubelet look at what it mounts.
    namespace.kubectl(
        "annotate", "pods", "--selector", SERVERS, "--overwrite", f"file={time.time()}"
    )
