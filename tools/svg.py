"""Drawing a panel's data as SVG."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

COLORS: Final = (
    *("#3274d9", "#56a64b", "#e0752d", "#e02f44", "#a352cc", "#e0b400"),
    *("#0a93a7", "#8f3bb8", "#7c8b99", "#c15c17"),
)
CHARACTER: Final = 6.2
"""Width of a legend's character, in pixels, and a little more."""

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels."""

    x: float
    y: float
    width: float
    height: float


def text(x: float, y: float, content: str, size: int = 11, more: str = 'fill="#555"') -> str:
    """Return a line of text whose baseline begins at `x`, `y`."""
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" {more}>{escape(content)}</text>'


def frame(box: Box, title: str) -> list[str]:
    """Return a panel's border and title."""
    size = f'width="{box.width:.0f}" height="{box.height:.0f}"'
    return [
        f'<rect x="{box.x:.0f}" y="{box.y:.0f}" {size} rx="3" fill="#fff" stroke="#d5d8dc"/>',
        text(box.x + 8, box.y + 17, title, 12, 'fill="#222" font-weight="600"'),
    ]


def lines(box: Box, series: Sequence[tuple[str, Points]], unit: str) -> list[str]:
    """Return lines over time with a scale and a legend; of a time without data, nothing."""
    moments = [moment for _, points in series for moment, _ in points]
    first, last = min(moments), max(moments)
    top = max((value for _, points in series for _, value in points), default=0) or 1
    plot = Box(box.x + 58, box.y + 28, box.width - 70, box.height - 66)
    drawn = []
    for share in (0, 0.5, 1):
        y = plot.y + plot.height * (1 - share)
        drawn.append(
            f'<path d="M{plot.x:.0f} {y:.0f}h{plot.width:.0f}" stroke="#eceef0" fill="none"/>'
        )
        drawn.append(text(box.x + 8, y + 4, formatted(top * share, unit), 10))
    for (_, points), color in zip(series, itertools.cycle(COLORS), strict=False):
        path = " ".join(
            f"{plot.x + plot.width * (moment - first) / (last - first or 1):.1f},"
            f"{plot.y + plot.height * (1 - value / top):.1f}"
            for moment, value in points
        )
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.4"/>')
    return drawn + _legend(box, [name for name, _ in series])


def _legend(box: Box, names: Sequence[str]) -> list[str]:
    """Return as many entries, one after the other, as two lines take."""
    drawn = []
    x, y, right = box.x + 10, box.y + box.height - 22, box.x + box.width - 6
    for name, color in zip(names, itertools.cycle(COLORS), strict=False):
        width = 13 + CHARACTER * len(name)
        if x + width > right and x > box.x + 10:
            x, y = box.x + 10, y + 13
        if y > box.y + box.height:
            break
        drawn.append(f'<rect x="{x:.0f}" y="{y - 4:.0f}" width="9" height="3" fill="{color}"/>')
        drawn.append(text(x + 13, y, name, 10))
        x += width + 12
    return drawn


def formatted(value: float, unit: str) -> str:
    """Return a value as Grafana would write it in that unit."""
    if unit == "percentunit":
        return f"{rounded(value * 100)} %"
    if unit == "currencyUSD":
        return f"${rounded(value)}"
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB"
    if unit == "s":
        return f"{rounded(value)} s" if value >= 1 or not value else f"{rounded(value * 1000)} ms"
    suffix = {"reqps": "/s", "cps": "/s", "tokens/s": "/s"}.get(unit, "")
    return f"{rounded(value)}{suffix}"


def rounded(value: float) -> str:
    """Return a number in three digits, or more if it is larger."""
    short = f"{value:.3g}"
    return f"{value:.0f}" if "e+" in short else short
