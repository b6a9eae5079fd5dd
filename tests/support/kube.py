"""A namespace of a real cluster, for the tests of tests/cluster."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from support.helm import CHART
from support.programs import ROOT
from tokenwire import __version__
from tool import BIN

T = TypeVar("T")

IMAGE: Final = f"tokenwire:{__version__}"
DEMO: Final = f"{IMAGE}-demo"
RESTRICTED: Final = {"pod-security.kubernetes.io/enforce": "restricted"}
# What the restricted Pod Security profile asks of a pod and of its containers.
POD_SECURITY: Final = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}


def command(
    *words: str | Path, stdin: str = "", within: float = 60, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run kubectl, helm or another program in the repository's folder until it ends.

    Args:
        words: The program and its arguments.
        stdin: Its standard input.
        within: The longest time that it may take, in seconds.
        check: Whether an exit code other than 0 fails the test.
    """
    done = subprocess.run(
        words,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
    )
    if check:
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


def kubectl(*words: str | Path, stdin: str = "", within: float = 60) -> str:
    """Run kubectl and return its output."""
    return command("kubectl", *words, stdin=stdin, within=within).stdout


def until(find: Callable[[], T | None], what: str, within: float = 60) -> T:
    """Call a function every half second until it returns something true, and return that.

    Args:
        find: The function.
        what: What is waited for, for the message of the failure.
        within: The longest time to wait, in seconds.
    """
    end = time.monotonic() + within
    while not (found := find()):
        assert time.monotonic() < end, f"{what}: not within {within} s"
        time.sleep(0.5)  # the cluster has no event that kubectl could wait for here
    return found


class Namespace:
    """A namespace of the cluster.

    Args:
        name: Its name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def create(self, labels: dict[str, str]) -> None:
        """Create it with labels, once an earlier one of this name is gone."""
        kubectl("delete", "namespace", self.name, "--ignore-not-found", within=180)
        metadata = {"name": self.name, "labels": labels}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def delete(self) -> None:
        """Delete it with all that is in it, without waiting for the end of its pods."""
        kubectl("delete", "namespace", self.name, "--wait=false", "--ignore-not-found")
        # Pods drain for minutes, and nobody calls these any more.
        self.kubectl("delete", "pods", "--all", "--force", "--grace-period=0", "--wait=false")

    def kubectl(self, *words: str | Path, stdin: str = "", within: float = 60) -> str:
        """Run kubectl in this namespace and return its output."""
        return kubectl("--namespace", self.name, *words, stdin=stdin, within=within)

    def helm(self, *words: str | Path, stdin: str = "", within: float = 120) -> str:
        """Run helm in this namespace and return its output."""
        return command("helm", "--namespace", self.name, *words, stdin=stdin, within=within).stdout

    def upgrade(self, release: str = "tokenwire", **values: Any) -> None:
        """Install or upgrade the chart with exactly these values.

        Args:
            release: The name of the release.
            values: The values, by their top-level names.
        """
        words = ("upgrade", "--install", release, CHART, "--values", "-")
        self.helm(*words, stdin=yaml.safe_dump(values))

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Create or change objects."""
        kubectl("apply", "--filename", "-", stdin=yaml.safe_dump_all(manifests))

    def get(self, *words: str) -> dict[str, Any]:
        """Return an object, or a list of objects, as `kubectl get` finds it."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *words, "--output", "json"))
        return found

    def pods(self, release: str = "tokenwire") -> list[dict[str, Any]]:
        """Return the pods of a release that are not told to end."""
        label = f"app.kubernetes.io/instance={release},app.kubernetes.io/component!=test"
        pods = self.get("pods", "--selector", label)["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def ready_pods(self, release: str = "tokenwire") -> set[str]:
        """Return the names of those pods of a release that are ready."""
        return {
            pod["metadata"]["name"]
            for pod in self.pods(release)
            for each in pod["status"].get("conditions", ())
            if (each["type"], each["status"]) == ("Ready", "True")
        }

    def wait_until_ready(self, count: int, release: str = "tokenwire") -> set[str]:
        """Wait until this number of pods is ready, and return their names.

        This is faster than `rolled_out` by `minReadySeconds`.
        """
        return until(
            lambda: pods if len(pods := self.ready_pods(release)) == count else None,
            f"{count} pods of {release} are ready",
        )

    def rolled_out(self, name: str = "tokenwire", within: float = 180) -> None:
        """Wait until a Deployment has only pods of its last template, which are all available."""
        limit = f"--timeout={within:.0f}s"
        self.kubectl("rollout", "status", f"deployment/{name}", limit, within=within + 5)
