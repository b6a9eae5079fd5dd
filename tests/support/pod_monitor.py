"""The scrape configuration that the Prometheus Operator makes from a PodMonitor.

It follows `generatePodMonitorConfig` in pkg/prometheus/promcfg.go of
github.com/prometheus-operator/prometheus-operator v0.85.0, for the fields that the chart uses. A
PodMonitor with another field raises, because the result would lack it.
"""

from typing import Any, Final

from support.kube_discovery import META, NO_LABEL

SPEC: Final = {"jobLabel", "selector", "podMetricsEndpoints"}
ENDPOINT: Final = {"port", "interval", "relabelings"}
RELABELING: Final = {
    "sourceLabels": "source_labels",
    "targetLabel": "target_label",
    "regex": "regex",
    "replacement": "replacement",
    "action": "action",
}


def scrape_configs(monitor: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a scrape configuration for each endpoint, without the discovery of pods.

    Raises:
        ValueError: The PodMonitor has a field that is not known here.
    """
    metadata, spec = monitor["metadata"], monitor["spec"]
    _check(spec, SPEC)
    _check(spec["selector"], {"matchLabels"})
    name = f"{metadata['namespace']}/{metadata['name']}"
    return [
        {
            "job_name": f"podMonitor/{name}/{number}",
            "honor_labels": False,
            **({"scrape_interval": each["interval"]} if "interval" in each else {}),
            "relabel_configs": _relabelings(name, spec, each),
        }
        for number, each in enumerate(spec["podMetricsEndpoints"])
    ]


def _relabelings(name: str, spec: dict[str, Any], endpoint: dict[str, Any]) -> list[dict[str, Any]]:
    _check(endpoint, ENDPOINT)
    return [
        _replace("job", "__tmp_prometheus_job_name"),
        {
            "action": "drop",
            "source_labels": [f"{META}pod_phase"],
            "regex": "(Failed|Succeeded)",
        },
        *(
            {
                "action": "keep",
                "source_labels": [f"{META}pod_{kind}_{_label(key)}" for kind in LABEL],
                "regex": f"({value});true",
            }
            for key, value in sorted(spec["selector"]["matchLabels"].items())
        ),
        {
            "action": "keep",
            "source_labels": [f"{META}pod_container_port_name"],
            "regex": endpoint["port"],
        },
        _replace(f"{META}namespace", "namespace"),
        _replace(f"{META}pod_container_name", "container"),
        _replace(f"{META}pod_name", "pod"),
        {"target_label": "job", "replacement": name},
        _replace(f"{META}pod_label_{_label(spec['jobLabel'])}", "job")
        | {"regex": "(.+)", "replacement": "${1}"},
        {"target_label": "endpoint", "replacement": endpoint["port"]},
        *map(_relabeling, endpoint.get("relabelings", ())),
        # With one shard, as by default; the operator replaces $(SHARD) by 0.
        _replace("__address__", "__tmp_hash")
        | {"source_labels": ["__address__", "__tmp_hash"], "regex": "(.+);", "replacement": "$1"},
        _replace("__tmp_hash", "__tmp_hash") | {"action": "hashmod", "modulus": 1},
        {
            "action": "keep",
            "source_labels": ["__tmp_hash", "__tmp_disable_sharding"],
            "regex": "0;|.+;.+",
        },
    ]


LABEL: Final = ("label", "labelpresent")


def _label(key: str) -> str:
    return NO_LABEL.sub("_", key)


def _replace(source: str, target: str) -> dict[str, Any]:
    return {"source_labels": [source], "target_label": target}


def _relabeling(configured: dict[str, Any]) -> dict[str, Any]:
    _check(configured, set(RELABELING))
    return {RELABELING[key]: value for key, value in configured.items()}


def _check(part: dict[str, Any], known: set[str]) -> None:
    if unknown := part.keys() - known:
        raise ValueError(f"the PodMonitor has {sorted(unknown)}; add what the operator makes of it")
