"""prometheus-adapter beside a cluster, as the API `custom.metrics.k8s.io`."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from support.kube import command, kubectl
from support.ports import free_port
from tool import BIN

PROGRAM: Final = BIN / "prometheus-adapter"
API: Final = "custom.metrics.k8s.io"
VERSION: Final = "v1beta1"
NAME: Final = "prometheus-adapter"
NAMESPACE: Final = "kube-system"


@contextmanager
def adapter(prometheus: str, rules: dict[str, Any], folder: Path) -> Iterator[None]:
    """Run the adapter and register it during a block.

    Args:
        prometheus: The URL of Prometheus.
        rules: Its configuration.
        folder: An existing directory for its files.
    """
    config = folder / "adapter.yaml"
    config.write_text(yaml.safe_dump(rules), "utf-8")
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(kubectl("config", "view", "--raw", "--flatten"), "utf-8")
    port = free_port()
    words = (
        f"--config={config}",
        f"--prometheus-url={prometheus}",
        f"--cert-dir={folder}",
        f"--secure-port={port}",
        # As often as Prometheus is asked which metrics there are.
        "--metrics-relist-interval=1s",
        "--metrics-max-age=1m",
        *(f"--{use}-kubeconfig={kubeconfig}" for use in USES),
    )
    objects = yaml.safe_dump_all(_registration(_own_address(), port))
    with (
        (folder / "adapter.log").open("w") as log,
        subprocess.Popen([PROGRAM, *words], stderr=log) as process,
    ):
        try:
            kubectl("apply", "--filename", "-", stdin=objects)
            kubectl("wait", "--for=condition=Available", f"apiservice/{VERSION}.{API}", within=65)
            yield
        finally:
            kubectl("delete", "--filename", "-", stdin=objects)
            process.terminate()


USES: Final = ("lister", "authentication", "authorization")


def metric_of_pods(namespace: str, name: str) -> dict[str, float]:
    """Return the values of a metric, by pod."""
    path = f"/apis/{API}/{VERSION}/namespaces/{namespace}/pods/*/{name}"
    items = json.loads(kubectl("get", "--raw", path))["items"]
    return {item["describedObject"]["name"]: float(item["value"]) for item in items}


def _own_address() -> str:
    """Return this machine's address in the network of the nodes."""
    nodes = json.loads(kubectl("get", "nodes", "--output", "json"))["items"]
    [node, *_] = [
        each["address"] for each in nodes[0]["status"]["addresses"] if each["type"] == "InternalIP"
    ]
    [route] = json.loads(command("ip", "-json", "route", "get", node).stdout)
    return str(route["prefsrc"])


def _registration(address: str, port: int) -> list[dict[str, Any]]:
    """Return the objects by which the API server finds the adapter."""
    metadata = {"name": NAME, "namespace": NAMESPACE}
    ports = [{"name": "https", "port": 443, "targetPort": port}]
    spec = {
        "group": API,
        "version": VERSION,
        "service": metadata | {"port": 443},
        "insecureSkipTLSVerify": True,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
    }
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata | {"labels": {"kubernetes.io/service-name": NAME}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address]}],
            "ports": [{"name": "https", "port": port}],
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{VERSION}.{API}"},
            "spec": spec,
        },
    ]
