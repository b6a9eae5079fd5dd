"""Pictures of the dashboards, drawn from what the panels' queries return."""

import math
import time
from collections.abc import Mapping
from typing import Any, Final
from xml.sax.saxutils import escape

from panel_queries import PanelQuery, panel_queries, substituted
from prometheus_server import Prometheus
from svg import Box, Points, formatted, frame, lines, text

COLUMN, ROW, MARGIN, HEAD = 48, 26, 4, 44
"""Pixels of the grid's column and row, around panels, and above them all."""
STAT_COLORS: Final = {
    "green": "#37872d",
    "orange": "#e0752d",
    "red": "#c4162a",
    "text": "#222",
}
INTERVAL: Final = "15s"
STEP: Final = 2.0
"""Seconds between two points."""


async def draw(prometheus: Prometheus, dashboard: str, seconds: float) -> str:
    """Return a dashboard over the last `seconds` as SVG."""
    drawn: list[str] = []
    height = 0
    queries = [query for query in panel_queries() if query.dashboard == dashboard]
    for query in queries:
        panel, place = query.panel, query.panel["gridPos"]
        box = Box(
            place["x"] * COLUMN + MARGIN,
            place["y"] * ROW + HEAD,
            place["w"] * COLUMN - 2 * MARGIN,
            place["h"] * ROW - 2 * MARGIN,
        )
        mine = [each for each in queries if each.panel is panel]
        if query is mine[0]:
            content = await _content(prometheus, mine, box, seconds)
            meaning = f"<title>{escape(panel['description'])}</title>"
            drawn += ["<g>", meaning, *frame(box, query.title), *content, "</g>"]
        height = max(height, (place["y"] + place["h"]) * ROW + HEAD)
    return _picture(dashboard, drawn, height)


def _picture(name: str, drawn: list[str], height: int) -> str:
    width = 24 * COLUMN
    note = "drawn from the queries of the panels, not by Grafana"
    size = f'viewBox="0 0 {width} {height}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="Arial, sans-serif">',
            f'<rect width="{width}" height="{height}" fill="#f4f5f5"/>',
            text(8, 27, f"tokenwire / {name}", 18, 'fill="#222"'),
            text(width - 8, 27, note, 12, 'fill="#777" text-anchor="end"'),
            *drawn,
            "</svg>\n",
        )
    )


async def _content(
    prometheus: Prometheus, queries: list[PanelQuery], box: Box, span: float
) -> list[str]:
    panel = queries[0].panel
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if panel["type"] == "table":
        return await _table(prometheus, queries, box)
    end = time.time()
    series: list[tuple[str, Points]] = []
    for query in queries:
        expr = substituted(query.expr, INTERVAL, f"{span:.0f}s")
        for labels, points in await prometheus.query_range(expr, end - span, end, STEP):
            finite = [point for point in points if math.isfinite(point[1])]
            if finite:
                series.append((query.name(labels), finite))
    if not series:
        return [text(box.x + box.width / 2 - 24, box.y + box.height / 2, "No data")]
    if panel["type"] == "stat":
        [(_, points)] = series
        last = points[-1][1]
        look = f'fill="{_color(panel, last)}" font-weight="600" text-anchor="middle"'
        return [text(box.x + box.width / 2, box.y + 68, formatted(last, unit), 30, look)]
    return lines(box, series, unit)


def _color(panel: Mapping[str, Any], value: float) -> str:
    """Return the colour of a stat, by its thresholds."""
    steps = panel["fieldConfig"]["defaults"].get("thresholds", {"steps": []})["steps"]
    names = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return STAT_COLORS[names[-1] if names else "text"]


async def _table(prometheus: Prometheus, queries: list[PanelQuery], box: Box) -> list[str]:
    [query] = queries
    rows = await prometheus.query(substituted(query.expr, INTERVAL, "1m"))
    return [
        text(
            box.x + 10,
            box.y + 44 + 18 * number,
            "   ".join(f"{name}: {value}" for name, value in sorted(row.labels.items())),
        )
        for number, row in enumerate(rows)
    ]
