"""Parts of an SVG picture: boxes, and texts whose width is known."""

from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

FONT: Final = "Arial, 'Liberation Sans', Helvetica, sans-serif"
WIDTHS: Final = (
    ("ijl'|", 222),
    (" .,:;!/ftI[]", 278),
    ("-()r`", 333),
    ('"', 355),
    ("cksvxyzJ", 500),
    ("FTZ", 611),
    ("ABEKPSVXY&", 667),
    ("wCDHNRU", 722),
    ("GOQ", 778),
    ("mM", 833),
    ("%", 889),
    ("W…@", 1000),
)
WIDTH: Final = {character: width for characters, width in WIDTHS for character in characters}
"""Of Arial's characters, in thousandths of the font's size."""
USUAL: Final = 556
"""Width of digits and most small letters."""


@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height


def text_width(content: str, size: float) -> float:
    """Return the width of a text in pixels."""
    return sum(WIDTH.get(character, USUAL) for character in content) * size / 1000


def text(x: float, y: float, content: str, size: int = 11, more: str = 'fill="#555"') -> str:
    """Return a line of text whose baseline begins at `x`, `y`."""
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" {more}>{escape(content)}</text>'


def fitted(x: float, y: float, content: str, size: int) -> str:
    """Return a line of text that is as wide as Arial's whatever font there is."""
    width = f'textLength="{text_width(content, size):.0f}" lengthAdjust="spacingAndGlyphs"'
    return text(x, y, content, size, f'fill="#555" {width}')


def frame(box: Box, title: str) -> list[str]:
    """Return a panel's border and title."""
    size = f'width="{box.width:.0f}" height="{box.height:.0f}"'
    return [
        f'<rect x="{box.x:.0f}" y="{box.y:.0f}" {size} rx="3" fill="#fff" stroke="#d5d8dc"/>',
        text(box.x + 8, box.y + 17, title, 12, 'fill="#222" font-weight="600"'),
    ]
