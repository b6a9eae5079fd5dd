"""The queries of the dashboards as Grafana would send them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DASHBOARDS: Final = Path(__file__).resolve().parent.parent / "observability" / "dashboards"
PICKERS: Final = ("namespace", "job", "instance", "model")
"""The variables that select series."""


@dataclass(frozen=True)
class PanelQuery:
    """One query of one panel, as the dashboard's file has it.

    Attributes:
        dashboard: Name of the file.
        panel: The panel's JSON.
        expr: PromQL with Grafana's variables.
        legend: Grafana's pattern for the names of the series.
        ref_id: Its id within the panel.
    """

    dashboard: str
    panel: Mapping[str, Any]
    expr: str
    legend: str
    ref_id: str

    @property
    def title(self) -> str:
        """The panel's title."""
        return str(self.panel["title"])

    def name(self, labels: Mapping[str, str]) -> str:
        """Return what the legend calls a series with these labels."""
        pattern = "" if self.legend == "__auto" else self.legend
        name = re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), pattern)
        return " ".join(name.split())


def panel_queries() -> list[PanelQuery]:
    """Return every query of every dashboard."""
    return [
        PanelQuery(file.stem, panel, target["expr"], target["legendFormat"], target["refId"])
        for file in sorted(DASHBOARDS.glob("*.json"))
        for panel in json.loads(file.read_text("utf-8"))["panels"]
        for target in panel["targets"]
    ]


def substituted(expr: str, interval: str, span: str, **chosen: str) -> str:
    """Return an expression with Grafana's variables replaced, as Grafana does.

    Args:
        expr: The expression.
        interval: For `$__rate_interval`, such as `1m`.
        span: For `$__range`, the time that the dashboard shows.
        chosen: A regular expression for each variable that is not at "All".
    """
    values = {"__rate_interval": interval, "__range": span}
    values |= dict.fromkeys(PICKERS, ".*") | chosen
    for name, value in values.items():
        expr = expr.replace(f"${name}", value)
    if "$" in expr:
        raise ValueError(f"{expr!r} has a variable that no dashboard has")
    return expr
