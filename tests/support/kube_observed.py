"""A release with a gateway file, callers and a second route, under calls of every outcome."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from support.kube import Namespace
from support.kube_load import POD, SOURCES
from support.kube_simulator import SIMULATOR
from support.limits import KEY, OTHER_KEY, callers

MONITORING: Final = {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}
USAGE: Final = "/usage"
UPSTREAM: Final = f"http://{SIMULATOR}:8080/v1"
REFUSING: Final = "http://127.0.0.1:1/v1"
"""Nothing listens on this port of a pod."""


def values() -> dict[str, Any]:
    """Return the values of the release, whose callers are those of support.limits."""
    return {
        "monitoring": MONITORING,
        "settings": {
            "TOKENWIRE_USAGE_FILE": f"{USAGE}/usage.jsonl",
            "TOKENWIRE_DRAIN_SECONDS": 0,
            # So that calls wait for a slot.
            "TOKENWIRE_MAX_STREAMS": 3,
            "TOKENWIRE_QUEUE_TIMEOUT_SECONDS": 2,
        },
        "extraVolumes": [{"name": "usage", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "usage", "mountPath": USAGE}],
        "gatewayFile": {
            "content": {
                "upstreams": {
                    SIMULATOR: {"base_url": UPSTREAM},
                    "second": {"base_url": UPSTREAM},
                    "away": {"base_url": REFUSING},
                },
                "models": {
                    "demo": {"routes": f"{SIMULATOR}/demo", "price": {"input": 1, "output": 2}},
                    "moving": {"routes": ["away/demo", f"{SIMULATOR}/demo"]},
                    "hedged": {
                        "routes": [f"{SIMULATOR}/demo", "second/demo"],
                        "hedge_after": "50ms",
                    },
                },
                "default_model": "demo",
                "callers": callers(requests="2/m"),
            },
            "serviceAccounts": {"enabled": True},
        },
    }


@contextmanager
def calls_of_every_outcome(namespace: Namespace) -> Iterator[None]:
    """Keep calls running from the pod of the clients during a block."""
    target = f"dns:///tokenwire.{namespace.name}.svc:50051"
    script = (SOURCES / "observed.py").read_text("utf-8")
    words = ["exec", "--stdin", POD, "--", "python", "-c", script, target, OTHER_KEY, KEY]
    command = ["kubectl", "--namespace", namespace.name, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=sys.stderr) as process:
        try:
            yield
            assert process.poll() is None, "the clients have ended; their output tells why"
        finally:
            process.kill()
