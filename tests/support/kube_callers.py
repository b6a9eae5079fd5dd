"""A release whose callers are service accounts and a team, and the pods that call it."""

import json
import subprocess
from typing import Any, Final

from support.kube import CONTAINER_SECURITY, DEMO, POD_SECURITY, Namespace, kubectl
from support.kube_simulator import SIMULATOR
from support.programs import ROOT
from tokenwire.cli.keys import hash_of

KEY: Final = "tw_team_canary1"
STREAMS: Final = 4
"""How many calls at once the caller `team` may make."""
TOKENS: Final = "/var/run/secrets"
"""The folder of the tokens of the pods, each in a folder named after its audience."""
CALLS: Final = (ROOT / "tests" / "cluster" / "calls.py").read_text("utf-8")
API_SERVER: Final = ("endpointslices", "--selector=kubernetes.io/service-name=kubernetes")
LISTENER: Final = 8080
"""The port on which each pod that calls answers HTTP itself."""

CONNECT: Final = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def connects(item):
    try:
        socket.create_connection(item[1], timeout=2).close()
    except OSError:
        return None
    return item[0]

with ThreadPoolExecutor() as pool:
    found = pool.map(connects, json.loads(sys.argv[1]).items())
    print(json.dumps([name for name in found if name]))
"""

Outcomes = dict[str, list[str]]


def values(other: str, without_store: str) -> dict[str, Any]:
    """Return the values of a release in which every part of the network is restricted.

    Args:
        other: A namespace whose pods with the label `calls: "yes"` reach the port of gRPC.
        without_store: What happens while Redis is away.
    """
    [api_server] = json.loads(kubectl("get", *API_SERVER, "--output", "json"))["items"]
    return {
        "minReadySeconds": 0,
        "settings": {"TOKENWIRE_DRAIN_SECONDS": 0, "TOKENWIRE_GRACE_SECONDS": 30},
        "gatewayFile": {
            "content": {
                "upstreams": {"simulator": {"base_url": f"http://{SIMULATOR}:8080/v1"}},
                "models": {"demo": {"routes": "simulator/demo"}},
                "callers": {"team": {"keys": [hash_of(KEY)], "limits": {"streams": STREAMS}}},
                "limits": {"without_store": without_store},
            },
            "serviceAccounts": {"enabled": True},
        },
        "redis": {"trial": {"enabled": True, "image": "local/redis:1"}},
        "networkPolicy": {
            "enabled": True,
            "grpcFrom": [
                {"podSelector": {}},
                {
                    "namespaceSelector": named(other),
                    "podSelector": {"matchLabels": {"calls": "yes"}},
                },
            ],
            "metricsFrom": [{"podSelector": {"matchLabels": {"app": "scraper"}}}],
            "upstreamTo": [{"podSelector": {"matchLabels": {"app": SIMULATOR}}}],
            "upstreamPorts": [8080],
            "apiServerTo": [
                {"ipBlock": {"cidr": f"{address}/32"}}
                for each in api_server["endpoints"]
                for address in each["addresses"]
            ],
            "apiServerPorts": [each["port"] for each in api_server["ports"]],
        },
    }


def values_with_keys(**helm_test: Any) -> dict[str, Any]:
    """Return the values of a release of one pod, whose only callers have keys.

    Args:
        helm_test: The values of `helmTest`.
    """
    return {
        "replicas": 1,
        "minReadySeconds": 0,
        "settings": {"TOKENWIRE_DRAIN_SECONDS": 0, "TOKENWIRE_GRACE_SECONDS": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "gatewayFile": {
            "content": {
                "upstreams": {"simulator": {"base_url": f"http://{SIMULATOR}:8080/v1"}},
                "models": {"demo": {"routes": "simulator/demo"}},
                "callers": {"team": {"keys": [hash_of(KEY)]}},
            },
        },
        "helmTest": helm_test,
    }


def named(namespace: str) -> dict[str, Any]:
    """Return a selector of a namespace."""
    return {"matchLabels": {"kubernetes.io/metadata.name": namespace}}


def caller(namespace: str, name: str, **labels: str) -> dict[str, Any]:
    """Return a pod that waits for `kubectl exec` with tokens of its service account.

    Args:
        namespace: Its namespace.
        name: Its name, which is also its label `app`.
        labels: Its further labels.
    """
    audiences = ("tokenwire", "other")
    container = {
        "name": name,
        "image": DEMO,
        "command": ["python", "-m", "http.server", str(LISTENER), "--directory", "/tmp"],  # noqa: S108 - of the pod
        "securityContext": CONTAINER_SECURITY,
        "readinessProbe": {"tcpSocket": {"port": LISTENER}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": each, "mountPath": f"{TOKENS}/{each}", "readOnly": True} for each in audiences
        ],
    }
    spec = {
        "securityContext": POD_SECURITY | {"fsGroup": 65532},
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": [{"name": each, "projected": {"sources": [token(each)]}} for each in audiences],
    }
    metadata = {"name": name, "namespace": namespace, "labels": {"app": name} | labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def token(audience: str) -> dict[str, Any]:
    """Return the source of a token for an audience, as docs/callers.md shows it."""
    return {
        "serviceAccountToken": {"audience": audience, "expirationSeconds": 600, "path": "token"}
    }


def reachable(namespace: Namespace, pod: str, addresses: dict[str, tuple[str, int]]) -> set[str]:
    """Return the names of those addresses to which a connection from a pod can be made.

    Args:
        namespace: The namespace of the pod.
        pod: What `kubectl exec` takes.
        addresses: Host and port by name.
    """
    words = ("exec", pod, "--", "python", "-c", CONNECT, json.dumps(addresses))
    return set(json.loads(namespace.kubectl(*words)))


class CallingPod:
    """A pod of `caller`.

    Args:
        namespace: Its namespace.
        name: Its name.
    """

    def __init__(self, namespace: Namespace, name: str) -> None:
        self._exec = ("exec", "--stdin", name, "--", "python", "-c")
        self._namespace = namespace

    def call(self, *targets: str, **configuration: Any) -> Outcomes:
        """Begin calls to each target, and return how they began.

        Args:
            targets: The targets, as gRPC takes them.
            configuration: The rest of the configuration, as tests/cluster/calls.py describes it.
        """
        words = json.dumps({"targets": targets} | configuration)
        found: Outcomes = json.loads(self._namespace.kubectl(*self._exec, CALLS, words))
        return found

    def run(self, program: str) -> str:
        """Run a program in Python and return its output."""
        return self._namespace.kubectl(*self._exec, program)

    def held(self, *targets: str, **configuration: Any) -> "HeldCalls":
        """Begin calls whose answers run on, as `call` does."""
        words = json.dumps({"targets": targets, "hold": True} | configuration)
        return HeldCalls(
            ("kubectl", "--namespace", self._namespace.name, *self._exec, CALLS, words)
        )


class HeldCalls:
    """Calls whose answers run on until `kill`.

    Args:
        command: The command of a client that makes them.

    Attributes:
        began: How they began.
    """

    def __init__(self, command: tuple[str, ...]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            self.began = self._read()
        except ValueError:
            self.kill()
            raise

    def _read(self) -> Outcomes:
        assert self._process.stdout is not None
        found: Outcomes = json.loads(self._process.stdout.readline())
        return found

    def ended(self, target: str, count: int) -> list[str] | None:
        """Return how the calls to a target ended if this number has, or None."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found = self._read()[target]
        return found if len(found) == count else None

    def kill(self) -> None:
        """End the client and its calls."""
        with self._process:
            self._process.kill()
