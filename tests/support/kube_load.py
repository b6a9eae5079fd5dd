"""Clients in a pod of the cluster that keep answers running: tests/cluster/load."""

import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Final

from support.kube import CONTAINER_SECURITY, DEMO, POD_SECURITY, Namespace
from support.programs import ROOT
from tool import BIN

POD: Final = "clients"
SOURCES: Final = ROOT / "tests" / "cluster" / "load"
UNPACK: Final = (
    "import sys, tarfile; tarfile.open(fileobj=sys.stdin.buffer, mode='r|').extractall('/load')"
)
PROGRAMS: Final = {
    "python": ("python", "/load/load.py"),
    "ask": ("python", "/load/ask.py"),
    "go": ("/load/cluster-load",),
    "node": ("/load/node", "/load/load.js", "/load/proto"),
}
"""The command of each language's client, without its configuration; `ask` asks one by one."""
PYTHON: Final = ("load.py", "ask.py")


def manifest(namespace: str, node: str | None) -> dict[str, Any]:
    """Return the pod of the clients, which waits for `kubectl exec`, on a node or on any."""
    container = {
        "name": POD,
        "image": DEMO,
        "command": ["python", "-c", "import signal; signal.pause()"],
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": "load", "mountPath": "/load"}],
    }
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": node} if node else {},
        "securityContext": POD_SECURITY | {"fsGroup": 65532},
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": [{"name": "load", "emptyDir": {}}],
    }
    metadata = {"name": POD, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def create_clients(namespace: Namespace, node: str) -> None:
    """Create the pod of the clients on a node, with their programs."""
    _create(namespace, node, programs())


def create_python_clients(namespace: Namespace) -> None:
    """Create the pod of the clients on any node, with the programs in Python alone."""
    _create(namespace, None, {name: SOURCES / name for name in PYTHON})


def _create(namespace: Namespace, node: str | None, files: dict[str, Path]) -> None:
    namespace.apply(manifest(namespace.name, node))
    namespace.kubectl("wait", "--for=condition=Ready", f"pod/{POD}", "--timeout=60s", within=65)
    unpack = ("exec", "--stdin", POD, "--", "python", "-c", UNPACK)
    subprocess.run(
        ["kubectl", "--namespace", namespace.name, *unpack], input=archive(files), check=True
    )


def programs() -> dict[str, Path]:
    """Return the programs and what they need that the image does not have, by name in the pod."""
    node = shutil.which("node")
    assert node, "node is not on PATH"
    return {
        **{name: SOURCES / name for name in PYTHON},
        "load.js": SOURCES / "load.js",
        "package.json": ROOT / "examples" / "node" / "package.json",
        "node_modules": ROOT / "examples" / "node" / "node_modules",
        "proto": ROOT / "proto",
        "cluster-load": BIN / "cluster-load",
        "node": Path(os.path.realpath(node)),
    }


def archive(files: dict[str, Path]) -> bytes:
    """Return a tar of files and folders."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, path in files.items():
            tar.add(path, name)
    return out.getvalue()


class RunningLoad:
    """A client that keeps answers running in the pod, until `end`.

    Args:
        namespace: The namespace of the pod.
        language: The language of the client, a key of PROGRAMS.
        configuration: Its configuration, as tests/cluster/load/load.py describes.
    """

    def __init__(self, namespace: Namespace, language: str, **configuration: Any) -> None:
        self.streams: int = configuration.get("streams", 1)
        words = (*PROGRAMS[language], json.dumps(configuration))
        self._process = subprocess.Popen(
            ["kubectl", "--namespace", namespace.name, "exec", "--stdin", POD, "--", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def report(self) -> dict[str, Any]:
        """Return the program's line of JSON."""
        self._write("report")
        return self._read()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def end(self) -> None:
        """Let the client begin no more answers, and end when the running ones have finished."""
        # Not the end of standard input, which `kubectl exec` does not always pass on.
        self._write("end")

    def last_report(self) -> dict[str, Any]:
        """Return the report of a client that has ended, after `end`."""
        with self._process:
            return self._read()

    def kill(self) -> None:
        """End the client at once, if it runs."""
        with self._process:
            self._process.kill()
