"""The pods of a namespace as targets of Prometheus, over its HTTP service discovery.

Debian builds Prometheus without the discovery of Kubernetes. The labels here are those that it sets
for `role: pod`: discovery/kubernetes/pod.go of github.com/prometheus/prometheus.
"""

import json
import re
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

META: Final = "__meta_kubernetes_"
NO_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")


@contextmanager
def api_server() -> Iterator[str]:
    """Yield the address, HOST:PORT, of an API server that needs no credentials: `kubectl proxy`."""
    words = ["kubectl", "proxy", "--port=0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().rpartition(" ")[2].strip()
        finally:
            process.terminate()


def targets(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a target with its labels for each port of a pod, if it has an address."""
    status, spec, metadata = pod["status"], pod["spec"], pod["metadata"]
    if not (address := status.get("podIP")):
        return []
    ready = {each["type"]: each["status"] for each in status.get("conditions", ())}
    of_pod = {
        "namespace": metadata["namespace"],
        "pod_name": metadata["name"],
        "pod_ip": address,
        "pod_phase": status["phase"],
        "pod_ready": ready.get("Ready", "unknown").lower(),
        "pod_node_name": spec["nodeName"],
        "pod_host_ip": status.get("hostIP", ""),
        "pod_uid": metadata["uid"],
    }
    for kind in ("label", "annotation"):
        for key, value in metadata.get(f"{kind}s", {}).items():
            name = NO_LABEL.sub("_", key)
            of_pod |= {f"pod_{kind}_{name}": value, f"pod_{kind}present_{name}": "true"}
    return [
        {
            "targets": [f"{address}:{port['containerPort']}"],
            "labels": {
                META + name: value
                for name, value in {
                    **of_pod,
                    "pod_container_name": container["name"],
                    "pod_container_image": container["image"],
                    "pod_container_init": "false",
                    "pod_container_port_name": port.get("name", ""),
                    "pod_container_port_number": str(port["containerPort"]),
                    "pod_container_port_protocol": port.get("protocol", "TCP"),
                }.items()
            },
        }
        for container in spec["containers"]
        for port in container.get("ports", ())
    ]


@contextmanager
def discovery(server: str, namespace: str) -> Iterator[str]:
    """Serve the pods of a namespace as targets, and yield the URL.

    Args:
        server: The address of an API server that needs no credentials.
        namespace: The namespace.
    """
    url = f"http://{server}/api/v1/namespaces/{namespace}/pods"

    class PodDiscovery(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with urllib.request.urlopen(url) as response:
                pods = json.load(response)["items"]
            body = json.dumps([each for pod in pods for each in targets(pod)]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            # Prometheus may have ended, or given up.
            with suppress(ConnectionError):
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), PodDiscovery) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}"
        finally:
            listening.shutdown()
            thread.join()
