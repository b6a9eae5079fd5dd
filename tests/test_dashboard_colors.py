"""The colours of the dashboards' series, and which series are stacked."""

import json
import re
from typing import Any

import pytest

from panel_queries import DASHBOARDS
from tokenwire.api.codes import failure_outcomes
from tokenwire.observability.metrics.labels import Outcome, Phase

PANELS: dict[str, dict[str, Any]] = {
    f"{file.stem}/{panel['title']}": panel
    for file in sorted(DASHBOARDS.glob("*.json"))
    for panel in json.loads(file.read_text("utf-8"))["panels"]
}
GRAPHS = {name: panel for name, panel in PANELS.items() if panel["type"] == "timeseries"}

QUANTILES = [
    name
    for name, panel in GRAPHS.items()
    if "p99" in [target["legendFormat"] for target in panel["targets"]]
]

HUES = {
    Outcome.OK: {"green"},
    Outcome.ERROR: {"red"},
    Outcome.REJECTED: {"yellow", "orange"},
    Outcome.CANCELLED: {"blue"},
    Outcome.DEADLINE: {"purple"},
}
AMBER = "dark-yellow"

# Written by hand from docs/errors.md: the outcome that each status code implies.
CODES = {
    "OK": Outcome.OK,
    "INVALID_ARGUMENT": Outcome.REJECTED,
    "RESOURCE_EXHAUSTED": Outcome.REJECTED,
    "FAILED_PRECONDITION": Outcome.ERROR,
    "ABORTED": Outcome.ERROR,
    "INTERNAL": Outcome.ERROR,
    "UNAVAILABLE": Outcome.ERROR,
    "CANCELLED": Outcome.CANCELLED,
    "DEADLINE_EXCEEDED": Outcome.DEADLINE,
}
REASONS = {
    "CANCELLED": Outcome.CANCELLED,
    "DEADLINE_EXCEEDED": Outcome.DEADLINE,
    "CONTENT_FILTERED": Outcome.REJECTED,
    "EMPTY_PROMPT": Outcome.REJECTED,
    "INTERNAL": Outcome.ERROR,
    "SERVER_OVERLOADED": Outcome.REJECTED,
    "SERVER_RESOURCES_EXHAUSTED": Outcome.ERROR,
    "SERVER_SHUTTING_DOWN": Outcome.REJECTED,
    "SLOW_CONSUMER": Outcome.REJECTED,
    "UNKNOWN_MODEL": Outcome.REJECTED,
    "UPSTREAM_RATE_LIMITED": Outcome.ERROR,
    "UPSTREAM_STREAM_BROKEN": Outcome.ERROR,
}
ENDINGS = {
    f"{code} {reason}": REASONS[reason] for code, reason in failure_outcomes() if reason in REASONS
} | {
    # The call was accepted: part of the answer had been sent.
    "ABORTED SERVER_SHUTTING_DOWN": Outcome.ERROR,
}
LEAVING = {
    f"{outcome.value} {phase.value}": outcome
    for outcome in (Outcome.CANCELLED, Outcome.DEADLINE)
    for phase in Phase
}
A_NEW_ONE = "A_NEW_ONE"

MEANINGS: dict[str, dict[str, Outcome]] = {
    "overview/Calls by outcome": {outcome.value: outcome for outcome in Outcome},
    "overview/Errors by reason": ENDINGS | {f"UNKNOWN {A_NEW_ONE}": Outcome.ERROR},
    "overview/Calls by status code": CODES | {"UNKNOWN": Outcome.ERROR},
    "overview/Rejected calls by reason": REASONS | {A_NEW_ONE: Outcome.REJECTED},
    "overview/Calls whose caller left": {phase.value: Outcome.CANCELLED for phase in Phase},
    "overview/Callers who left waiting": LEAVING,
    "model/Calls by error": REASONS | {A_NEW_ONE: Outcome.ERROR},
    "model/Failed requests to the upstream": {"a-model UPSTREAM_ERROR": Outcome.ERROR},
    "routes/Requests by route and result": {
        "gpu/a-model ok": Outcome.OK,
        "gpu/a-model error": Outcome.ERROR,
        "gpu/a-model other": Outcome.CANCELLED,
    },
    "callers/Calls rejected by limits": {
        "team CALLER_RATE_LIMITED": Outcome.REJECTED,
        "team CALLER_BUDGET_EXHAUSTED": Outcome.REJECTED,
    },
    "callers/Failures of the store": {"timeout": Outcome.ERROR},
    "callers/Lost updates": {"127.0.0.1:9464 0": Outcome.ERROR},
    "callers/Lost usage records": {"queue": Outcome.ERROR},
    "callers/Requests for issuers' keys": {
        "company ok": Outcome.OK,
        "company timeout": Outcome.ERROR,
    },
    "process/Calls shed": {"127.0.0.1:9464 0": Outcome.REJECTED},
    "process/Failures of connections to the upstream": {"refused": Outcome.ERROR},
}
OUTCOME_LABELS = {"outcome", "grpc_code", "error_type"}

PARTS_OF_EACH_OTHER = {"overview/Tokens": "cached is a part of input, reasoning of output"}
"""Series of the same counter that do not add up to a total."""


def color_of(panel: dict[str, Any], name: str) -> str:
    """Return Grafana's colour name of a panel's series; the last matching override applies."""
    color = panel["fieldConfig"]["defaults"].get("color", {}).get("fixedColor", "")
    for override in panel["fieldConfig"]["overrides"]:
        kind, wanted = override["matcher"]["id"], override["matcher"]["options"]
        assert kind in {"byName", "byRegexp", "byFrameRefID"}
        by_name = kind == "byName" and name == wanted
        by_pattern = kind == "byRegexp" and re.search(wanted.strip("/"), name)
        for each in override["properties"]:
            if (by_name or by_pattern) and each["id"] == "color":
                color = each["value"]["fixedColor"]
    return str(color)


@pytest.mark.parametrize("panel", MEANINGS)
def test_a_color_says_how_calls_ended(panel: str) -> None:
    """Ok is green, an error red, a rejected call amber, a caller that left blue or purple."""
    for name, outcome in MEANINGS[panel].items():
        color = color_of(PANELS[panel], name)
        hue = color.rpartition("-")[2]
        assert hue in HUES[outcome], name


def test_the_main_shades_are_those_of_traffic_lights() -> None:
    """Side by side, outcomes have Grafana's green, red and amber."""
    panel = PANELS["overview/Calls by outcome"]
    names = ("ok", "error", "rejected")
    assert [color_of(panel, name) for name in names] == ["green", "red", AMBER]


def test_every_panel_of_outcomes_has_its_colors() -> None:
    """Every graph of outcomes, status codes or error types uses the colours of outcomes."""
    for name, panel in GRAPHS.items():
        grouped = re.findall(r"by \(([^)]*)\)", " ".join(each["expr"] for each in panel["targets"]))
        if OUTCOME_LABELS & {label for labels in grouped for label in re.split(", ?", labels)}:
            assert name in MEANINGS


def test_every_failure_has_a_color_of_its_own_kind(subtests: pytest.Subtests) -> None:
    """Every failure has the colour of an outcome, by its status and reason."""
    for ending in sorted({f"{c} {r}" for c, r in failure_outcomes()}):
        with subtests.test(ending=ending):
            color = color_of(PANELS["overview/Errors by reason"], ending)
            assert color.rpartition("-")[2] in {"red", "yellow", "orange", "blue", "purple"}
            named = [
                override["matcher"]["options"]
                for override in PANELS["overview/Errors by reason"]["fieldConfig"]["overrides"]
            ]
            assert [each for each in named if ending == each or re.search(each.strip("/"), ending)]


def test_figures_turn_red_where_it_is_bad() -> None:
    """Each coloured figure changes from green to amber to red, or in reverse order."""
    figures = [panel for panel in PANELS.values() if panel["type"] == "stat"]
    colored = [
        [step["color"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        for panel in figures
        if "thresholds" in panel["fieldConfig"]["defaults"]
    ]
    assert len(colored) > 3
    for colors in colored:
        assert colors in (["green", AMBER, "red"], ["red", AMBER, "green"])


def test_parts_of_a_whole_are_stacked(subtests: pytest.Subtests) -> None:
    """Series are stacked exactly if they split one counter by a label and add up to it."""
    for name, panel in GRAPHS.items():
        with subtests.test(name=name):
            stacked = panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal"
            [first, *more] = [target["expr"] for target in panel["targets"]]
            one_rate = re.fullmatch(
                r"(3600 \* )?(sum by \([\w, ]+\) \()?rate\([^()]*\)\)?( > 0)?", first
            )
            streams = re.fullmatch(r"tokenwire_streams_in_flight{[^}]*}", first)
            share = panel["fieldConfig"]["defaults"]["unit"] == "percentunit"
            adds_up = (one_rate or streams) and not (more or share or name in PARTS_OF_EACH_OTHER)
            assert stacked == bool(adds_up)
            if name in PARTS_OF_EACH_OTHER:
                assert PARTS_OF_EACH_OTHER[name] in panel["description"]


def test_quantiles_are_paler_the_lower_they_are(subtests: pytest.Subtests) -> None:
    """Quantiles are shades of one neutral colour, and lower ones are paler."""
    for name in QUANTILES:
        with subtests.test(name=name):
            colors = [color_of(GRAPHS[name], share) for share in ("p50", "p95", "p99")]
            assert colors == ["super-light-blue", "blue", "dark-blue"]
