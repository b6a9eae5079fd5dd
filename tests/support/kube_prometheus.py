"""A real Prometheus beside a cluster, configured as the Prometheus Operator does by the chart."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from prometheus_server import Prometheus
from support.helm import of_kind
from support.kube import Namespace
from support.kube_discovery import META, api_server, discovery
from support.pod_monitor import scrape_configs
from support.scaled_rules import scaled

INTERVAL: Final = 1
"""The second between two scrapes, evaluations and looks at the pods."""


@asynccontextmanager
async def prometheus_of(
    namespace: Namespace, folder: Path, release: str = "tokenwire"
) -> AsyncIterator[Prometheus]:
    """Run Prometheus with the PodMonitor and the rules of a release.

    All times of the rules are divided by 100. The requests to the pods go through the API server,
    because pods of other clusters than our own cannot be reached from this machine.

    Args:
        namespace: The namespace of the release.
        folder: An existing directory for the configuration and data.
        release: The release's name.
    """
    manifest = namespace.helm("get", "manifest", release)
    [monitor] = of_kind(manifest, "PodMonitor")
    rules = [
        scaled(each["spec"], folder / f"{each['metadata']['name']}.yml")
        for each in of_kind(manifest, "PrometheusRule")
    ]
    with api_server() as server, discovery(server, namespace.name) as pods:
        configs = [
            config
            | {
                "http_sd_configs": [{"url": pods, "refresh_interval": f"{INTERVAL * 1000:.0f}ms"}],
                "relabel_configs": [*config["relabel_configs"], *_through(server)],
            }
            for config in scrape_configs(monitor)
        ]
        async with Prometheus(folder, {}, rules, INTERVAL, scrape_configs=configs) as prometheus:
            yield prometheus


def _through(server: str) -> list[dict[str, Any]]:
    """Return the relabellings that send the requests through an API server."""
    of_pod = [f"{META}{name}" for name in ("namespace", "pod_name", "pod_container_port_number")]
    path = "/api/v1/namespaces/${1}/pods/${2}:${3}/proxy/metrics"
    return [
        # Prometheus would take it from the address of the request.
        {
            "source_labels": ["instance", "__address__"],
            "regex": ";(.+)",
            "target_label": "instance",
        },
        {
            "source_labels": of_pod,
            "regex": "(.+);(.+);(.+)",
            "target_label": "__metrics_path__",
            "replacement": path,
        },
        {"target_label": "__address__", "replacement": server},
    ]
