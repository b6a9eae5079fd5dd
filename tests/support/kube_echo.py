"""An upstream in a namespace of a cluster that answers with the key that it was asked with."""

from typing import Any, Final

from support.kube import CONTAINER_SECURITY, DEMO, POD_SECURITY

ECHO: Final = "echo"
"""The name of its pod and of its Service, whose port is 8080."""
BASE_URL: Final = f"http://{ECHO}:8080/v1"
SERVER: Final = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        key = self.headers["authorization"].removeprefix("Bearer ")
        message = {"role": "assistant", "content": key}
        chunk = {"choices": [{"index": 0, "delta": message, "finish_reason": "stop"}]}
        chunk |= {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "echo"}
        body = f"data: {json.dumps(chunk)}\\n\\ndata: [DONE]\\n\\n".encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""


def echo(namespace: str) -> list[dict[str, Any]]:
    """Return the Pod and the Service of this upstream."""
    labels = {"app": ECHO}
    metadata = {"name": ECHO, "namespace": namespace}
    container = {
        "name": ECHO,
        "image": DEMO,
        "command": ["python", "-c", SERVER],
        "securityContext": CONTAINER_SECURITY,
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    spec = {
        "securityContext": POD_SECURITY,
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    service = {"selector": labels, "ports": [{"port": 8080}]}
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata | {"labels": labels},
            "spec": spec,
        },
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
    ]
