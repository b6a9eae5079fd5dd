"""Clients of several languages and settings that keep answers running in a cluster."""

import json
from typing import Any, Final

from support import kubernetes_doc as doc
from support.fenced import fenced
from support.kube import Namespace
from support.kube_load import RunningLoad

TOKENS: Final = (200, 400)
"""The least and the most tokens of an answer, which takes 10 s to 20 s."""
[SERVICE_CONFIG] = map(json.loads, fenced(doc.TEXT, "json"))
"""The service config of docs/kubernetes.md."""
# The default of gRPC's Core, which the Python client of this repository changes.
DEFAULT_RESOLUTION: Final = {"grpc.dns_min_time_between_resolutions_ms": 30_000}
CLIENTS: Final[dict[str, dict[str, Any]]] = {
    "own": {"language": "python", "streams": 15},
    "python": {
        "language": "python",
        "streams": 15,
        "service_config": SERVICE_CONFIG,
        "options": DEFAULT_RESOLUTION,
    },
    "go": {"language": "go", "streams": 15, "service_config": SERVICE_CONFIG},
    "node": {"language": "node", "streams": 15, "service_config": SERVICE_CONFIG},
}
"""60 answers at once. All clients but the first have the default time between two resolutions."""
STREAMS: Final = sum(client["streams"] for client in CLIENTS.values())
SHORT: Final[dict[str, dict[str, Any]]] = {
    "short": {"language": "python", "streams": 12, "tokens": (1, 3)}
}
"""Short answers, one after the other: many calls begin in the moment in which a pod stops."""


class Loads:
    """The clients, by name."""

    def __init__(self, namespace: Namespace) -> None:
        target = f"dns:///tokenwire.{namespace.name}.svc:50051"
        self._loads = {
            name: RunningLoad(namespace, target=target, **{"tokens": TOKENS, **client})
            for name, client in {**CLIENTS, **SHORT}.items()
        }

    def reports(self) -> dict[str, dict[str, Any]]:
        return {name: load.report() for name, load in self._loads.items()}

    def failures(self) -> dict[str, list[str]]:
        """Return the failures of the clients that have some."""
        return {name: each["failures"] for name, each in self.reports().items() if each["failures"]}

    def all_run(self) -> bool:
        """Whether every long answer has begun."""
        reports = self.reports()
        return all(reports[name]["running"] >= self._loads[name].streams * 0.8 for name in CLIENTS)

    def finish(self) -> dict[str, dict[str, Any]]:
        """Let the running answers finish, and return the last report of each client."""
        for load in self._loads.values():
            load.end()
        return {name: load.last_report() for name, load in self._loads.items()}

    def kill(self) -> None:
        for load in self._loads.values():
            load.kill()
