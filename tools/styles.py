"""How a panel's series look, as its JSON says; and the colours that Grafana names."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.models.dashboard import FieldColorModeId

from meanings import SHADES

SHADE_NAMES: Final = ("super-light-{}", "light-{}", "{}", "semi-dark-{}", "dark-{}")
APART: Final = ("{}", "super-light-{}", "dark-{}", "light-{}", "semi-dark-{}")
"""The same, neighbours far apart."""
HUES: Final = {
    "red": ("#ff7383", "#f2495c", "#e02f44", "#c4162a", "#ad0317"),
    "orange": ("#ffb357", "#ff9830", "#ff780a", "#fa6400", "#e55400"),
    "yellow": ("#ffee52", "#fade2a", "#f2cc0c", "#e0b400", "#cc9d00"),
    "green": ("#96d98d", "#73bf69", "#56a64b", "#37872d", "#19730e"),
    "blue": ("#8ab8ff", "#5794f2", "#3274d9", "#1f60c4", "#1250b0"),
    "purple": ("#ca95e5", "#b877d9", "#a352cc", "#8f3bb8", "#7c2ea3"),
}
COLORS: Final = {
    pattern.format(hue): color
    for hue, colors in HUES.items()
    for pattern, color in zip(SHADE_NAMES, colors, strict=True)
}
"""Of Grafana's light theme, by its names."""
NEUTRAL: Final = (
    *("#3274d9", "#a352cc", "#0a93a7", "#8d6e63", "#5c6f82"),
    *("#d16ba5", "#1f3a93", "#5bc0cf", "#b3a2e0", "#4a4a4a"),
)
"""Of series whose colour means nothing; Grafana's own palette begins with green and amber."""


@dataclass(frozen=True)
class Style:
    """How a series looks.

    Attributes:
        color: In hexadecimal digits.
        dash: Pixels of line and gap in turn; empty for an unbroken line.
    """

    color: str
    dash: tuple[float, ...] = ()


def styles(panel: Mapping[str, Any], series: Iterable[tuple[str, str]]) -> list[Style]:
    """Return how each series of a panel looks, given its name and the id of its query."""
    otherwise = panel["fieldConfig"]["defaults"].get("color", {})
    used: Counter[str] = Counter()
    found = []
    for name, ref_id in series:
        properties = _overridden(panel, name, ref_id)
        dash = tuple(properties.get("custom.lineStyle", {}).get("dash", ()))
        chosen = properties.get("color", otherwise)
        color = chosen.get("fixedColor", "")
        if chosen.get("mode") != FieldColorModeId.FIXED:
            shades = _shades(color) if color else NEUTRAL
            used[color] += 1
            color = shades[(used[color] - 1) % len(shades)]
        found.append(Style(COLORS.get(color, color), dash))
    return found


def _shades(color: str) -> Sequence[str]:
    """Return the shades of an outcome's colour, or of a single colour."""
    shades = next((shades for shades in SHADES.values() if shades[0] == color), (color,))
    return shades if len(shades) > 1 else [pattern.format(color) for pattern in APART]


def _overridden(panel: Mapping[str, Any], name: str, ref_id: str) -> dict[str, Any]:
    """Return the properties that overrides give to a series, the last one's each."""
    found: dict[str, Any] = {}
    for override in panel["fieldConfig"]["overrides"]:
        kind, wanted = override["matcher"]["id"], override["matcher"]["options"]
        if (
            (kind == "byName" and wanted == name)
            or (kind == "byRegexp" and re.search(wanted.strip("/"), name))
            or (kind == "byFrameRefID" and wanted == ref_id)
        ):
            found |= {each["id"]: each["value"] for each in override["properties"]}
    return found


def figure_color(panel: Mapping[str, Any], value: float) -> str:
    """Return the colour of a figure, by its thresholds."""
    steps = panel["fieldConfig"]["defaults"].get("thresholds", {"steps": []})["steps"]
    names = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return COLORS[names[-1]] if names else "#222"
