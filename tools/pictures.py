"""Pictures of the dashboards, drawn from what the panels' queries return."""

import math
import time
from collections.abc import Mapping
from typing import Any, Final
from xml.sax.saxutils import escape

from axes import formatted
from graphs import Line, Points, drawn, stacked
from panel_queries import PanelQuery, panel_queries, substituted
from prometheus_server import Prometheus
from styles import figure_color, styles
from svg import FONT, Box, frame, text

COLUMN, ROW, MARGIN, HEAD = 48, 26, 4, 44
"""Pixels of the grid's column and row, around panels, and above them all."""
INTERVAL: Final = "15s"
STEP: Final = 2.0
"""Seconds between two points."""


async def draw(prometheus: Prometheus, dashboard: str, seconds: float) -> str:
    """Return a dashboard over the last `seconds` as SVG."""
    parts: list[str] = []
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
            parts += ["<g>", meaning, *frame(box, query.title), *content, "</g>"]
        height = max(height, (place["y"] + place["h"]) * ROW + HEAD)
    return _picture(dashboard, parts, height)


def _picture(name: str, parts: list[str], height: int) -> str:
    width = 24 * COLUMN
    note = "drawn from the queries of the panels, not by Grafana"
    size = f'viewBox="0 0 {width} {height}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}">',
            f'<rect width="{width}" height="{height}" fill="#f4f5f5"/>',
            text(8, 27, f"tokenwire / {name}", 18, 'fill="#222"'),
            text(width - 8, 27, note, 12, 'fill="#777" text-anchor="end"'),
            *parts,
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
    times = end - span, end
    found: list[tuple[str, str, Points]] = []
    for query in queries:
        expr = substituted(query.expr, INTERVAL, f"{span:.0f}s")
        for labels, points in await prometheus.query_range(expr, *times, STEP):
            finite = [point for point in points if math.isfinite(point[1])]
            if finite:
                found.append((query.name(labels), query.ref_id, finite))
    if not found:
        x, y = box.x + box.width / 2, box.y + box.height / 2
        return [text(x, y, "No data", more='fill="#555" text-anchor="middle"')]
    if panel["type"] == "stat":
        [(_, _, points)] = found
        return [_figure(panel, points[-1][1], box)]
    looks = styles(panel, [(name, ref_id) for name, ref_id, _ in found])
    series = [
        Line(name, points, look) for (name, _, points), look in zip(found, looks, strict=True)
    ]
    if panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal":
        series = stacked(series)
    return drawn(box, series, unit, times, STEP)


def _figure(panel: Mapping[str, Any], value: float, box: Box) -> str:
    look = f'fill="{figure_color(panel, value)}" font-weight="600" text-anchor="middle"'
    shown = formatted(value, panel["fieldConfig"]["defaults"]["unit"])
    return text(box.x + box.width / 2, box.y + 68, shown, 30, look)


async def _table(prometheus: Prometheus, queries: list[PanelQuery], box: Box) -> list[str]:
    """Return a table with a column for each label and a row for each series."""
    [query] = queries
    found = await prometheus.query(substituted(query.expr, INTERVAL, "1m"))
    names = sorted({name for row in found for name in row.labels})
    rows = [names, *([row.labels.get(name, "") for name in names] for row in found)]
    column = (box.width - 20) / max(1, len(names))
    return [
        text(box.x + 10 + column * number, box.y + 44 + 18 * line, content)
        for line, row in enumerate(rows)
        for number, content in enumerate(row)
    ]
