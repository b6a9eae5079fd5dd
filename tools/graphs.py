"""Drawing a graph: lines or stacked areas over time, with both axes and a legend."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from axes import Tick, time_ticks, value_ticks
from legend import ROW, SIZE, SWATCH, legend
from styles import Style
from svg import Box, fitted, text, text_width

LEFT, RIGHT, TOP, BOTTOM = 58, 14, 28, 20
"""Pixels around the plot, for the value axis, nothing, the title and the time axis."""
TICK_WIDTH: Final = 62
"""Pixels between two ticks of the time axis, at least."""
GRID: Final = "#eceef0"
SHORT_DASH: Final = 'stroke-dasharray="3 3"'

Points = list[tuple[float, float]]
"""Unix times in seconds, and values."""


@dataclass(frozen=True)
class Line:
    """One series.

    Attributes:
        name: As the legend shows it.
        points: Its values, at times that are multiples of a step after the first of all.
        style: How it looks.
        base: For a stacked series, what it stands on, at the same times.
    """

    name: str
    points: Points
    style: Style
    base: Points | None = None


@dataclass(frozen=True)
class Graph:
    """A plot, and the times and values that its edges stand for."""

    plot: Box
    start: float
    end: float
    low: float
    high: float

    def x(self, moment: float) -> float:
        """Return where a moment is."""
        return self.plot.x + self.plot.width * (moment - self.start) / (self.end - self.start)

    def y(self, value: float) -> float:
        """Return where a value is."""
        share = (value - self.low) / (self.high - self.low)
        return self.plot.bottom - self.plot.height * share

    def places(self, points: Iterable[tuple[float, float]]) -> str:
        """Return the coordinates of points."""
        return " ".join(f"{self.x(moment):.1f},{self.y(value):.1f}" for moment, value in points)


def stacked(lines: Sequence[Line]) -> list[Line]:
    """Return the lines one upon the other; one that has no value when others do adds nothing."""
    moments = sorted({moment for line in lines for moment, _ in line.points})
    base = [(moment, 0.0) for moment in moments]
    piled = []
    for line in lines:
        values = dict(line.points)
        points = [(moment, height + values.get(moment, 0.0)) for moment, height in base]
        piled.append(replace(line, points=points, base=base))
        base = points
    return piled


def drawn(
    box: Box, lines: Sequence[Line], unit: str, times: tuple[float, float], step: float
) -> list[str]:
    """Return a graph.

    Args:
        box: The panel to draw into.
        lines: The series, already stacked if they shall be.
        unit: Grafana's name of the unit.
        times: Begin and end of the time axis, in Unix seconds.
        step: Seconds between two points; a line breaks where one is missing.
    """
    values = [value for line in lines for _, value in line.points]
    ticks = value_ticks(min(0.0, *values), max(0.0, *values), unit)
    entries = legend([line.name for line in lines], box.width - LEFT / 2)
    rows = 1 + max((entry.row for entry in entries), default=-1)
    height = box.height - TOP - BOTTOM - ROW * rows
    plot = Box(box.x + LEFT, box.y + TOP, box.width - LEFT - RIGHT, height)
    graph = Graph(plot, *times, ticks[0].at, ticks[-1].at)
    parts = [*_axes(graph, box, ticks)]
    # From the top down, so that a series which is 0 hides no other one's line below it.
    for line in reversed(lines):
        for run in _runs(line.points, step):
            parts += _line(graph, line, run)
    for entry in entries:
        x, y = box.x + 10 + entry.x, plot.bottom + BOTTOM + ROW * entry.row + 9
        if entry.series is not None:
            style = lines[entry.series].style
            look = f'stroke="{style.color}" stroke-width="4" {SHORT_DASH if style.dash else ""}'
            parts.append(f'<path d="M{x:.0f} {y - 3.5:.1f}h9" {look}/>')
            x += SWATCH
        parts.append(fitted(x, y, entry.text, SIZE))
    return parts


def _axes(graph: Graph, box: Box, ticks: Sequence[Tick]) -> list[str]:
    plot = graph.plot
    across, parts = [], []
    for tick in ticks:
        y = graph.y(tick.at)
        across.append(f"M{plot.x:.0f} {y:.1f}h{plot.width:.0f}")
        parts.append(text(plot.x - 6, y + 3.5, tick.label, 10, 'fill="#555" text-anchor="end"'))
    most = int(plot.width / TICK_WIDTH) + 1
    for tick in time_ticks(graph.start, graph.end, most):
        x = graph.x(tick.at)
        across.append(f"M{x:.1f} {plot.y:.0f}v{plot.height + 3:.0f}")
        x = min(x, box.x + box.width - text_width(tick.label, 10) / 2)
        middle = 'fill="#555" text-anchor="middle"'
        parts.append(text(x, plot.bottom + 14, tick.label, 10, middle))
    return [f'<path d="{"".join(across)}" stroke="{GRID}" fill="none"/>', *parts]


def _runs(points: Points, step: float) -> list[slice]:
    """Return the parts of a line in which no point is missing."""
    cuts = [
        number
        for number in range(1, len(points))
        if points[number][0] - points[number - 1][0] > 1.5 * step
    ]
    return [slice(*ends) for ends in zip([0, *cuts], [*cuts, len(points)], strict=True)]


def _line(graph: Graph, line: Line, run: slice) -> list[str]:
    color, dash = line.style.color, line.style.dash
    top = graph.places(line.points[run])
    look = f'fill="none" stroke="{color}" stroke-width="1.4"'
    if dash:
        look += f' stroke-dasharray="{" ".join(map(str, dash))}"'
    parts = [f'<polyline points="{top}" {look}/>']
    if line.base is not None:
        below = graph.places(reversed(line.base[run]))
        parts.insert(0, f'<polygon points="{top} {below}" fill="{color}" fill-opacity="0.4"/>')
    return parts
