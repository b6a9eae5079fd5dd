"""The simulated upstream in a namespace of a cluster."""

from typing import Any, Final

from support.kube import CONTAINER_SECURITY, DEMO, POD_SECURITY

SIMULATOR: Final = "simulator"
"""The name of its pod and of its service, whose port is 8080."""


def simulator(namespace: str, node: str) -> list[dict[str, Any]]:
    """Return the Pod and the Service of the simulated upstream, on a node."""
    labels = {"app": SIMULATOR}
    metadata = {"name": SIMULATOR, "namespace": namespace}
    container = {
        "name": SIMULATOR,
        "image": DEMO,
        "args": ["demo-upstream", "--listen", "0.0.0.0:8080"],
        "securityContext": CONTAINER_SECURITY,
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    pod = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "securityContext": POD_SECURITY,
        "containers": [container],
    }
    service = {"selector": labels, "ports": [{"port": 8080}]}
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata | {"labels": labels},
            "spec": pod,
        },
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
    ]
