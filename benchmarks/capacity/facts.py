"""Numbers that are not measured: the defaults of the chart, of the server and of others."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tokenwire.config import Settings
from tokenwire.process.descriptors import BASE_DESCRIPTORS

VALUES = (
    Path(__file__).resolve().parent.parent.parent / "deploy" / "helm" / "tokenwire" / "values.yaml"
)


@dataclass(frozen=True)
class Facts:
    """What limits a plan besides measured costs.

    Attributes:
        max_streams: The slots of a pod, `TOKENWIRE_MAX_STREAMS`.
        streams_per_connection: The calls of one connection at once.
        connection_age_seconds: The age at which clients connect anew.
        min_ready_seconds: For how long a new pod is ready before an old one ends.
        drain_seconds: For how long a pod that ends still accepts calls.
        base_descriptors: The open files of an idle process.
        start_seconds: From the creation of a pod until it is ready, with the image on the node.
        series_per_pod: The series of a pod with one model and no callers.
        call_line_bytes: The size of a line `call ended`.
        scrape_seconds: The time between two scrapes.
        ephemeral_ports: The ports of one source address for one upstream address: those of Linux
            by default, 32768 to 60999.
        open_files: The hard limit of a container's open files, as containerd and Docker commonly
            set it.
        node_cores: The cores of a node.
        max_pods_per_node: The kubelet's default.
        conntrack_per_core: What kube-proxy allows for each core of a node by default.
        conntrack_least: What kube-proxy allows at least.
        tested_endpoints: The endpoints of a Service up to which Kubernetes is tested.
        tested_pods_per_namespace: The same for pods in a namespace.
        tested_pods: The same for pods in a cluster.
        endpoints_per_slice: The controller's default; the API allows 1,000.
        dns_head_bytes: The part of a DNS answer that does not grow: header, question and EDNS.
        dns_record_bytes: An A record with a compressed name.
        dns_udp_bytes: The most bytes of an answer by UDP that resolvers ask for.
        dns_tcp_bytes: The most bytes of an answer by TCP.
        prometheus_series: The series that one Prometheus with 8 to 16 GB of memory holds.
    """

    max_streams: int
    streams_per_connection: int
    connection_age_seconds: float
    min_ready_seconds: int
    drain_seconds: float
    base_descriptors: int = BASE_DESCRIPTORS
    start_seconds: float = 5.0
    series_per_pod: int = 870
    call_line_bytes: int = 550
    scrape_seconds: float = 15.0
    ephemeral_ports: int = 28_232
    open_files: int = 1_048_576
    node_cores: int = 16
    max_pods_per_node: int = 110
    conntrack_per_core: int = 32_768
    conntrack_least: int = 131_072
    tested_endpoints: int = 250
    tested_pods_per_namespace: int = 3_000
    tested_pods: int = 150_000
    endpoints_per_slice: int = 100
    dns_head_bytes: int = 70
    dns_record_bytes: int = 16
    dns_udp_bytes: int = 1_232
    dns_tcp_bytes: int = 65_535
    prometheus_series: int = 2_000_000

    @property
    def conntrack_max(self) -> int:
        """The connections that a node tracks at most."""
        return max(self.conntrack_least, self.conntrack_per_core * self.node_cores)


def default_facts() -> Facts:
    """Return the facts with the defaults of the server and of the chart."""
    values: dict[str, Any] = yaml.safe_load(VALUES.read_text("utf-8"))
    return Facts(
        max_streams=_default("max_streams"),
        streams_per_connection=_default("max_streams_per_connection"),
        connection_age_seconds=_default("connection_age_seconds"),
        min_ready_seconds=values["minReadySeconds"],
        drain_seconds=values["settings"]["TOKENWIRE_DRAIN_SECONDS"],
    )


def _default(name: str) -> Any:
    return Settings.model_fields[name].default
