"""Panels of Grafana dashboards: what they show, and their JSON."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS: Final = 24
"""Of Grafana's grid."""

JOB: Final = 'job=~"$job"'
PROCESS: Final = f'{JOB}, instance=~"$instance"'
"""Selects by the dashboard's variables; workers have a label of their own below it."""
MODEL: Final = f'{PROCESS}, gen_ai_request_model=~"$model"'


def gauge(metric: str, labels: str = PROCESS) -> str:
    """Return a gauge of every process."""
    return f"{metric}{{{labels}}}"


def rate(metric: str, labels: str = PROCESS) -> str:
    """Return the rate of a counter's series."""
    return f"rate({metric}{{{labels}}}[$__rate_interval])"


def total(metric: str, labels: str = PROCESS, by: str = "") -> str:
    """Return the rate of a counter, added up over all series but for the labels in `by`."""
    return f"sum{f' by ({by})' if by else ''} ({rate(metric, labels)})"


def quantile(share: float, histogram: str, labels: str = PROCESS, by: str = "") -> str:
    """Return a quantile of a histogram, of all series together but for the labels in `by`."""
    buckets = total(f"{histogram}_bucket", labels, f"{by}, le" if by else "le")
    return f"histogram_quantile({share}, {buckets})"


@dataclass(frozen=True)
class Query:
    """One query of a panel.

    Attributes:
        expr: PromQL, with the dashboard's variables.
        legend: Grafana's legend of each series.
        exemplars: Whether Grafana asks for the traces behind it.
    """

    expr: str
    legend: str = ""
    exemplars: bool = False


def quantiles(histogram: str, labels: str = PROCESS) -> tuple[Query, ...]:
    """Return the three quantiles that a panel of times shows, with exemplars."""
    return tuple(
        Query(quantile(share, histogram, labels), f"p{share * 100:.0f}", exemplars=True)
        for share in (0.5, 0.95, 0.99)
    )


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: What it shows.
        description: What it tells whoever is on call.
        unit: Grafana's name of the unit.
        queries: Where its data comes from.
        kind: How Grafana shows it.
        width: In columns of the grid.
        stacked: Whether the series add up to something.
        steps: For a stat, from which value on it has which colour.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Literal["timeseries", "stat", "table"] = "timeseries"
    width: int = 8
    stacked: bool = False
    steps: tuple[tuple[float, str], ...] = ()

    @property
    def height(self) -> int:
        """In rows of the grid."""
        return 4 if self.kind == "stat" else 8

    def json(self, number: int, x: int, y: int) -> dict[str, Any]:
        """Return what Grafana reads."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": self._options(),
            "targets": [self._target(*each) for each in zip("ABCDEF", self.queries, strict=False)],
        }

    def _defaults(self) -> dict[str, Any]:
        defaults: dict[str, Any] = {"unit": self.unit}
        if self.kind == "timeseries":
            defaults["min"] = 0
            defaults["custom"] = {
                "fillOpacity": 20 if self.stacked else 5,
                "showPoints": "never",
                "stacking": {"mode": "normal" if self.stacked else "none", "group": "A"},
            }
        if self.steps:
            [(_, first), *others] = self.steps
            defaults["thresholds"] = {
                "mode": "absolute",
                "steps": [
                    {"color": first, "value": None},
                    *({"color": color, "value": value} for value, color in others),
                ],
            }
        return defaults

    def _options(self) -> dict[str, Any]:
        if self.kind == "timeseries":
            return {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        if self.kind == "stat":
            return {
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                "colorMode": "value" if self.steps else "none",
                "graphMode": "area",
            }
        return {"showHeader": True}

    def _target(self, letter: str, query: Query) -> dict[str, Any]:
        target: dict[str, Any] = {
            "refId": letter,
            "datasource": SOURCE,
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
        }
        if self.kind == "table":
            return target | {"format": "table", "instant": True}
        return target | {"exemplar": True} if query.exemplars else target


def placed(panels: tuple[Panel, ...]) -> Iterator[dict[str, Any]]:
    """Yield the JSON of panels, put from left to right and from top to bottom."""
    x = y = height = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > COLUMNS:
            x, y, height = 0, y + height, 0
        yield panel.json(number, x, y)
        x, height = x + panel.width, max(height, panel.height)
