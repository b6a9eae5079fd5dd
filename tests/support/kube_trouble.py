"""Releases that each have one of the problems of docs/kubernetes-troubleshooting.md."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import yaml

from support.certificates import Pair
from support.kube import Namespace
from support.kube_simulator import SIMULATOR, simulator

BASE_URL: Final = f"http://{SIMULATOR}:8080/v1"
CERTIFIED: Final = "other.example.com"
"""The name in the certificate of the release `tls`."""
CONFIG_MAP: Final = "routes"
DENIED: Final = "denied"
DENIED_PORT: Final = 8082
KEY_FILE: Final = "/etc/tokenwire-secrets/openai/OPENAI_API_KEY"
QUOTA: Final = "512Mi"
DEMO_MODEL: Final = {"demo": {"enabled": True}}
FAST: Final[dict[str, Any]] = {
    "replicas": 1,
    "minReadySeconds": 0,
    "settings": {"TOKENWIRE_DRAIN_SECONDS": 0, "TOKENWIRE_GRACE_SECONDS": 1},
    "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
}
RELEASES: Final[dict[str, dict[str, Any]]] = {
    "image": DEMO_MODEL,
    "secret": {
        "apiKey": {"existingSecret": {"name": "openai"}},
        "settings": FAST["settings"] | {"OPENAI_BASE_URL": BASE_URL},
    },
    "gateway": {
        "gatewayFile": {
            "secrets": ["openai"],
            "content": {
                "upstreams": {SIMULATOR: {"base_url": BASE_URL, "keys": [f"file:{KEY_FILE}"]}},
                "models": {"demo": {"routes": f"{SIMULATOR}/demo"}},
            },
        },
    },
    "setting": DEMO_MODEL | {"extraEnv": [{"name": "TOKENWIRE_MAX_STREAMS", "value": "many"}]},
    "routes": {
        "replicas": 2,
        "settings": FAST["settings"] | {"TOKENWIRE_CONNECT_TIMEOUT_SECONDS": 1},
        "service": {"headless": False},
        "gatewayFile": {"existingConfigMap": {"name": CONFIG_MAP}},
    },
    "tls": DEMO_MODEL | {"tls": {"enabled": True, "existingSecret": "certificate"}},
    "security": DEMO_MODEL | {"securityContext": {"allowPrivilegeEscalation": True}},
    "priority": DEMO_MODEL | {"priorityClassName": "serving"},
    "room": DEMO_MODEL | {"resources": {"requests": {"cpu": "10000"}}},
    "memory": DEMO_MODEL
    | {"resources": {"requests": {"memory": "40Mi"}, "limits": {"memory": "40Mi"}}},
    "probes": DEMO_MODEL
    | {
        "listenHost": "127.0.0.1",
        "probes": {"startup": {"timeoutSeconds": 5, "failureThreshold": 5}},
    },
}
"""The values of each release, which come after those of FAST."""


def provoke(namespace: Namespace, small: Namespace, node: str) -> None:
    """Create all the problems.

    Args:
        namespace: The namespace, which enforces the restricted Pod Security profile.
        small: Another one, which gets a quota that is too small for a pod.
        node: The node of the simulated upstream.
    """
    namespace.apply(*simulator(namespace.name, node), *too_tight(namespace.name))
    namespace.apply(routes(namespace.name))
    namespace.apply(certificate(namespace.name, CERTIFIED), quota(small.name, QUOTA))
    with ThreadPoolExecutor(4) as pool:
        started = [
            pool.submit(namespace.upgrade, name, **FAST | values)
            for name, values in RELEASES.items()
        ]
        started.append(pool.submit(small.upgrade, "quota", **FAST | DEMO_MODEL))
        for each in started:
            each.result()


def routes(namespace: str, upstream: str = SIMULATOR) -> dict[str, Any]:
    """Return the ConfigMap with the gateway file of the release `routes`.

    Args:
        namespace: The namespace.
        upstream: The upstream of the model `demo`; others than the simulator are not defined.
    """
    content = {
        "upstreams": {
            SIMULATOR: {"base_url": BASE_URL},
            "dns": {"base_url": "http://no-such-service:8080/v1"},
            "refused": {"base_url": f"http://{SIMULATOR}:8081/v1"},
            "denied": {"base_url": f"http://{DENIED}:{DENIED_PORT}/v1"},
        },
        "models": {
            "demo": {"routes": f"{upstream}/demo"},
            "dns": {"routes": "dns/demo"},
            "connection_refused": {"routes": "refused/demo"},
            "connect_timeout": {"routes": "denied/demo"},
        },
        "default_model": "demo",
    }
    text = yaml.safe_dump(content, sort_keys=False)
    return an_object(namespace, "ConfigMap", CONFIG_MAP, data={"gateway.yaml": text})


def too_tight(namespace: str) -> list[dict[str, Any]]:
    """Return a NetworkPolicy of the upstream, and a Service whose port it does not allow."""
    labels = {"app": SIMULATOR}
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": DENIED, "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": labels}, "ingress": [{"ports": [{"port": 8080}]}]},
    }
    spec = {"selector": labels, "ports": [{"port": DENIED_PORT}]}
    return [policy, an_object(namespace, "Service", DENIED, spec=spec)]


def certificate(namespace: str, name: str) -> dict[str, Any]:
    """Return the Secret with a certificate for a name."""
    pair = Pair(name=name)
    chain = pair.certificate + pair.authority
    data = {"tls.crt": chain.decode(), "tls.key": pair.key.decode()}
    return an_object(namespace, "Secret", "certificate", type="kubernetes.io/tls", stringData=data)


def quota(namespace: str, memory: str) -> dict[str, Any]:
    """Return a ResourceQuota for the memory limits of all pods."""
    spec = {"hard": {"limits.memory": memory}}
    return an_object(namespace, "ResourceQuota", "small", spec=spec)


def an_object(namespace: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    """Return an object of Kubernetes' API v1."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}
