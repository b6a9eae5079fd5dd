"""The Grafana dashboards in observability/dashboards."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dashboard_model
import dashboard_overview
import dashboard_process
from panels import SOURCE, Panel, placed

FOLDER: Final = Path("observability") / "dashboards"


@dataclass(frozen=True)
class Dashboard:
    """One dashboard.

    Attributes:
        name: Of its file, and the end of its uid, which never changes.
        title: As Grafana lists it.
        description: What it is for.
        panels: In their order.
    """

    name: str
    title: str
    description: str
    panels: tuple[Panel, ...]

    def json(self) -> dict[str, Any]:
        """Return what Grafana reads."""
        return {
            "uid": f"tokenwire-{self.name}",
            "title": self.title,
            "description": self.description,
            "tags": ["tokenwire"],
            "schemaVersion": 39,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "browser",
            "annotations": {"list": []},
            "links": [
                {
                    "type": "dashboards",
                    "title": "tokenwire",
                    "tags": ["tokenwire"],
                    "asDropdown": False,
                    "includeVars": True,
                    "keepTime": True,
                }
            ],
            "templating": {"list": variables()},
            "panels": list(placed(self.panels)),
        }


DASHBOARDS: Final = (
    Dashboard(
        "overview",
        "tokenwire / Overview",
        "Whether answers flow, how fast, at what cost: to be read in ten seconds.",
        dashboard_overview.PANELS,
    ),
    Dashboard(
        "model",
        "tokenwire / Model and upstream",
        "What each model and its upstream do.",
        dashboard_model.PANELS,
    ),
    Dashboard(
        "process",
        "tokenwire / Process",
        "What each process, pod or worker, has left: CPU, memory, event loop, places.",
        dashboard_process.PANELS,
    ),
)


def variables() -> list[dict[str, Any]]:
    """Return what is chosen at the top of every dashboard."""
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        _variable("job", "Job", "label_values(tokenwire_build_info, job)"),
        _variable(
            "instance", "Instance", 'label_values(tokenwire_build_info{job=~"$job"}, instance)'
        ),
        _variable(
            "model",
            "Model",
            'label_values(tokenwire_calls_total{job=~"$job"}, gen_ai_request_model)',
        ),
    ]


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,  # whenever the time range changes, so that new pods are there
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def dashboards(root: Path) -> None:
    """Write every dashboard."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for dashboard in DASHBOARDS:
        text = json.dumps(dashboard.json(), indent=2)
        (folder / f"{dashboard.name}.json").write_text(f"{text}\n", "utf-8")
