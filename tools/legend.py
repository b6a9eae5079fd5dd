"""The legend of a graph, which never leaves its panel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from svg import text_width

SIZE: Final = 10
ROW: Final = 13
"""Pixels from one row to the next."""
MOST_ROWS: Final = 5
SWATCH, GAP = 13, 12
"""Pixels from an entry's colour to its name, and from there to the next entry."""


@dataclass(frozen=True)
class Entry:
    """One entry.

    Attributes:
        x: Where it begins, in pixels from the legend's left.
        row: Its row, from 0.
        text: The name, or as much of it as there is place for.
        series: The index of its series; None for the note on those that are left out.
    """

    x: float
    row: int
    text: str
    series: int | None

    @property
    def width(self) -> float:
        """In pixels."""
        return (0 if self.series is None else SWATCH) + text_width(self.text, SIZE)


def legend(names: Sequence[str], width: float) -> list[Entry]:
    """Return the entries of a legend of this width; series without a name have none.

    Those for which MOST_ROWS rows do not suffice are counted in the last entry.
    """
    shown = [number for number, name in enumerate(names) if name]
    for count in range(len(shown), -1, -1):
        entries = [(number, _shortened(names[number], width - SWATCH)) for number in shown[:count]]
        placed = _placed([*entries, *_note(len(shown) - count)], width)
        if not placed or placed[-1].row < MOST_ROWS:
            return placed
    return []


def _note(left_out: int) -> list[tuple[None, str]]:
    return [(None, f"and {left_out} more")] if left_out else []


def _placed(entries: Sequence[tuple[int | None, str]], width: float) -> list[Entry]:
    placed = []
    x, row = 0.0, 0
    for series, name in entries:
        entry = Entry(x, row, name, series)
        if x and x + entry.width > width:
            entry = Entry(0, row := row + 1, name, series)
        placed.append(entry)
        x = entry.x + entry.width + GAP
    return placed


def _shortened(name: str, width: float) -> str:
    """Return a name, or its begin and an ellipsis if it is wider than `width`."""
    if text_width(name, SIZE) <= width:
        return name
    return next(
        short
        for length in range(len(name), -1, -1)
        if text_width(short := f"{name[:length]}…", SIZE) <= width
    )
