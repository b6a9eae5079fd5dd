"""The colours of series that mean something: the same on every panel."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from grafana_foundation_sdk.builders.common import LineStyle
from grafana_foundation_sdk.builders.dashboard import FieldColor
from grafana_foundation_sdk.builders.timeseries import Panel as Graph
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, FieldColorModeId
from grpc import StatusCode

from tokenwire.api.codes import failure_outcomes
from tokenwire.observability.metrics.labels import (
    CALLERS_REASONS,
    NOT_ACCEPTED,
    Outcome,
    Phase,
    RouteResult,
    TokenType,
)

GREEN: Final = "green"
AMBER: Final = "dark-yellow"
RED: Final = "red"
GREY: Final = "#808080"

SHADES: Final[Mapping[Outcome, Sequence[str]]] = {
    Outcome.OK: (GREEN,),
    Outcome.ERROR: (RED, "super-light-red", "dark-red", "light-red", "semi-dark-red"),
    Outcome.REJECTED: (AMBER, "light-orange", "yellow", "super-light-orange", "semi-dark-yellow"),
    # Callers who left are no failure.
    Outcome.CANCELLED: ("blue", "super-light-blue"),
    Outcome.DEADLINE: ("purple", "super-light-purple"),
}
"""Colours of each outcome by their names in Grafana, neighbours far apart."""

Colors = Mapping[str, Sequence[str]]
"""Names of series by their colour."""


def _by_outcome(names: Iterable[tuple[str, Outcome]]) -> Colors:
    """Return a shade of its outcome's colour for each name, the outcomes' shades in turn."""
    colors: dict[str, list[str]] = defaultdict(list)
    seen: Counter[Outcome] = Counter()
    for name, outcome in dict(names).items():
        shades = SHADES[outcome]
        colors[shades[seen[outcome] % len(shades)]].append(name)
        seen[outcome] += 1
    return colors


def _outcome(code: str, reason: str) -> Outcome:
    """Return how a call ended, by the name of its status code and its reason."""
    if code == StatusCode.CANCELLED.name:
        return Outcome.CANCELLED
    if code == StatusCode.DEADLINE_EXCEEDED.name:
        return Outcome.DEADLINE
    # ABORTED: part of the answer had been sent, so the service had taken the call.
    turned_away = reason in NOT_ACCEPTED and code != StatusCode.ABORTED.name
    return Outcome.REJECTED if turned_away or reason in CALLERS_REASONS else Outcome.ERROR


def _codes() -> dict[str, Outcome]:
    """Return the outcome of most reasons of each status code; of as many, an error."""
    counted: dict[str, Counter[Outcome]] = defaultdict(Counter)
    for code, reason in failure_outcomes():
        counted[code][_outcome(code, reason)] += 1
    return {StatusCode.OK.name: Outcome.OK} | {
        code: max(counts, key=lambda outcome: (counts[outcome], outcome is Outcome.ERROR))
        for code, counts in counted.items()
    }


OUTCOMES: Final = _by_outcome((outcome.value, outcome) for outcome in Outcome)
CODES: Final = _by_outcome(_codes().items())
ENDINGS: Final = _by_outcome(
    (f"{code} {reason}", _outcome(code, reason)) for code, reason in failure_outcomes()
)
"""Of calls by status code and reason."""
REASONS: Final = _by_outcome(
    # Reversed, since the last one of a reason counts: the status before any answer.
    (reason, _outcome(code, reason))
    for code, reason in reversed(list(failure_outcomes()))
)
PHASES: Final = _by_outcome((phase.value, Outcome.CANCELLED) for phase in Phase)
LEAVING: Final = _by_outcome(
    (f"{outcome.value} {phase.value}", outcome)
    for outcome in (Outcome.CANCELLED, Outcome.DEADLINE)
    for phase in Phase
)
"""Of callers who left, by outcome and phase."""

RESULTS: Final = {
    RouteResult.OK: GREEN,
    RouteResult.ERROR: RED,
    RouteResult.OTHER: "blue",  # mostly callers who left
}
"""Of requests on a route, by result."""

# What is no better or worse than its neighbour is blue or purple, and a part of it is paler.
QUANTILES: Final[Colors] = {"super-light-blue": ["p50"], "blue": ["p95"], "dark-blue": ["p99"]}
TOKENS: Final = {
    TokenType.INPUT: "blue",
    TokenType.CACHED: "super-light-blue",
    TokenType.OUTPUT: "purple",
    TokenType.REASONING: "super-light-purple",
}


def fixed(color: str) -> list[DynamicConfigValue]:
    """Return the override that gives a series this colour."""
    value = FieldColor().mode(FieldColorModeId.FIXED).fixed_color(color).build()
    return [DynamicConfigValue("color", value)]


def shades(color: str) -> list[DynamicConfigValue]:
    """Return the override that gives each of several series a shade of this colour."""
    value = FieldColor().mode(FieldColorModeId.SHADES).fixed_color(color).build()
    return [DynamicConfigValue("color", value)]


def dashed() -> list[DynamicConfigValue]:
    """Return the override that dashes the line of a series."""
    return [DynamicConfigValue("custom.lineStyle", LineStyle().fill("dash").dash([6, 4]).build())]


def limit() -> list[DynamicConfigValue]:
    """Return the overrides that make a series a limit: grey and dashed."""
    return [*fixed(GREY), *dashed()]


def colored(panel: Graph, colors: Colors, otherwise: str = "") -> Graph:
    """Give a panel's series their colours, and return the panel.

    Args:
        panel: The panel.
        colors: Names of series by colour.
        otherwise: The colour whose shades all other series get; without it, Grafana's palette.
    """
    for color, names in colors.items():
        if len(names) == 1:
            panel.override_by_name(names[0], fixed(color))
        else:
            # Names are words, which mean themselves in a regular expression.
            panel.override_by_regexp(f"/^({'|'.join(names)})$/", fixed(color))
    if otherwise:
        panel.color_scheme(FieldColor().mode(FieldColorModeId.SHADES).fixed_color(otherwise))
    return panel
