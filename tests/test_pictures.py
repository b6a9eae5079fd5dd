"""The rendered dashboards: axes, legends, stacking, and the styles that the JSON sets."""

import json
import re
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from axes import STEPS, formatted, time_ticks, value_ticks
from graphs import Line, drawn, stacked
from legend import MOST_ROWS, SIZE, legend
from panel_queries import DASHBOARDS
from styles import Style, styles
from svg import Box, text_width

UNITS = ("short", "percentunit", "s", "bytes", "reqps", "cps", "tokens/s", "currencyUSD")
ONE = {
    **dict(
        zip(
            (" d", " h", " min", " s", " ms", " µs"), (86_400, 3600, 60, 1, 1e-3, 1e-6), strict=True
        )
    ),
    **dict(zip((" GiB", " MiB", " KiB", " B"), (2**30, 2**20, 2**10, 1), strict=True)),
    **dict(zip(("M", "k", "", " %"), (1e6, 1e3, 1, 0.01), strict=True)),
}
"""The value of one unit of a label."""
START = 1_700_000_000.0
STYLE = Style("#000000")
BOX = Box(4, 44, 376, 200)


def value_of(label: str) -> tuple[float, float]:
    """Return the number that a label shows and the value of its unit."""
    found = re.fullmatch(r"\$?(-?[\d.e-]+)( ?[^\d/]*)(/s)?", label)
    assert found, label
    return float(found[1]), ONE[found[2]]


@given(
    unit=st.sampled_from(UNITS),
    high=st.floats(1e-5, 1e10),
    low=st.one_of(st.just(0.0), st.floats(-1e6, 0)),
)
@example(unit="s", high=0.3, low=0.0)
@example(unit="percentunit", high=1.0, low=0.0)
@example(unit="bytes", high=100 * 2**20, low=0.0)
def test_ticks_are_round(unit: str, high: float, low: float) -> None:
    """Ticks are 1, 2 or 5 times a power of ten of the shown unit apart and span the whole axis."""
    ticks = value_ticks(low, high, unit)
    hair = (high - low) * 1e-6
    assert ticks[0].at <= low + hair
    assert ticks[-1].at >= high - hair
    assert 2 <= len(ticks) <= 8
    labels = [tick.label for tick in ticks]
    assert len(set(labels)) == len(labels)
    shown = []
    for tick in ticks:
        number, one = value_of(tick.label)
        assert number * one == pytest.approx(tick.at, rel=1e-6, abs=1e-12)
        shown.append(number)
    for before, after in pairwise(shown):
        assert f"{after - before:.1e}"[:3] in {"1.0", "2.0", "5.0"}


TICKS = [
    ("s", 0.0, ["0", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1 s"]),
    ("s", 0.043, ["0", "10 ms", "20 ms", "30 ms", "40 ms", "50 ms"]),
    ("s", 0.99, ["0", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1 s"]),
    ("s", 864_000.0, ["0", "2 d", "4 d", "6 d", "8 d", "10 d"]),
    ("percentunit", 0.97, ["0", "20 %", "40 %", "60 %", "80 %", "100 %"]),
    ("bytes", 130 * 2**20, ["0", "50 MiB", "100 MiB", "150 MiB"]),
    ("reqps", 0.29, ["0", "0.1/s", "0.2/s", "0.3/s"]),
    ("currencyUSD", 7.2, ["$0", "$2", "$4", "$6", "$8"]),
    ("short", 25_000.0, ["0", "5k", "10k", "15k", "20k", "25k"]),
]


def test_ticks_are_in_the_unit_of_the_panel(subtests: pytest.Subtests) -> None:
    """All ticks of an axis have the unit that fits its largest value; 0 has no unit."""
    for unit, high, labels in TICKS:
        with subtests.test(unit=unit, high=high, labels=labels):
            assert [tick.label for tick in value_ticks(0, high, unit)] == ["0", *labels[1:]]


@given(
    start=st.floats(1.6e9, 1.9e9),
    span=st.floats(2, 86_400),
    most=st.integers(3, 12),
)
def test_times_are_round(start: float, span: float, most: int) -> None:
    """The time axis has two ticks or more, at whole steps of local time and labelled with them."""
    ticks = time_ticks(start, start + span, most)
    assert 2 <= len(ticks) <= most
    assert all(start <= tick.at <= start + span for tick in ticks)
    for tick in ticks:
        pattern = "%H:%M" if len(tick.label) == 5 else "%H:%M:%S"
        assert f"{datetime.fromtimestamp(tick.at).astimezone():{pattern}}" == tick.label
    gaps = {round(after.at - before.at) for before, after in pairwise(ticks)}
    assert len(gaps) <= 1
    assert gaps <= set(STEPS)


def test_figures_are_short() -> None:
    """A figure has three digits and the unit that fits it."""
    assert formatted(0.99912, "percentunit") == "99.9 %"
    assert formatted(0.0123, "s") == "12.3 ms"
    assert formatted(2.5, "s") == "2.5 s"
    assert formatted(1234, "tokens/s") == "1234/s"
    assert formatted(0, "reqps") == "0/s"


@given(st.lists(st.text("abcmW_.:0 ", max_size=90), max_size=40), st.integers(120, 800))
def test_a_legend_fits(names: list[str], width: int) -> None:
    """No entry exceeds the width or overlaps another, and omitted entries are counted."""
    entries = legend(names, width)
    for entry in entries:
        assert entry.x + entry.width <= width
        assert entry.row < MOST_ROWS
    for before, after in pairwise(entries):
        assert after.row > before.row or after.x > before.x + before.width
    shown = [entry.series for entry in entries if entry.series is not None]
    left_out = sum(map(bool, names)) - len(shown)
    notes = [entry.text for entry in entries if entry.series is None]
    assert notes == ([f"and {left_out} more"] if left_out else [])
    for entry in entries:
        if entry.series is not None:
            whole = names[entry.series]
            assert entry.text == whole or whole.startswith(entry.text.removesuffix("…"))


def test_a_legend_shows_whole_names_where_they_fit() -> None:
    """Names of typical length are neither truncated nor omitted."""
    names = [f"10.0.0.{number}:9464" for number in range(12)]
    entries = legend(names, 350)
    assert [entry.text for entry in entries] == names
    assert text_width("10.0.0.1:9464", SIZE) == pytest.approx(62, abs=3)


def test_stacked_series_stand_on_each_other() -> None:
    """Each line is the sum of its own and all values below it; a missing value counts as 0."""
    lines = [
        Line("a", [(START, 1.0), (START + 2, 2.0)], STYLE),
        Line("b", [(START + 2, 3.0), (START + 4, 5.0)], STYLE),
    ]
    low, high = stacked(lines)
    assert low.points == [(START, 1), (START + 2, 2), (START + 4, 0)]
    assert high.base == low.points
    assert high.points == [(START, 1), (START + 2, 5), (START + 4, 5)]


def graph(*lines: Line, span: float = 60) -> str:
    return "\n".join(drawn(BOX, lines, "reqps", (START, START + span), 2))


def test_a_graph_has_a_time_axis_that_begins_where_its_dashboard_does() -> None:
    """A line that begins late is drawn at its own time on the dashboard's time axis."""
    late = [(START + second, 1.0) for second in range(30, 61, 2)]
    picture = graph(Line("late", late, STYLE))
    [points] = re.findall(r'<polyline points="([\d.]+),', picture)
    plot = BOX.x + 58, BOX.x + BOX.width - 14
    assert float(points) == pytest.approx(sum(plot) / 2, abs=1)
    times = re.findall(r">(\d\d:\d\d:\d\d)<", picture)
    assert len(times) >= 3
    moment = datetime.fromtimestamp(START).astimezone() + timedelta(seconds=60)
    assert times[-1] <= f"{moment:%H:%M:%S}"


def test_a_line_breaks_where_a_point_is_missing() -> None:
    """A time without data is drawn as a gap, not as a straight line across it."""
    points = [(START + second, 1.0) for second in (0, 2, 4, 20, 22)]
    assert graph(Line("broken", points, STYLE)).count("<polyline") == 2


def test_only_stacked_series_are_areas() -> None:
    """A stacked series is filled down to the one below it; any other series is a line."""
    points = [(START, 1.0), (START + 2, 1.0)]
    lines = [Line(name, points, STYLE) for name in "ab"]
    assert graph(*lines).count("<polygon") == 0
    assert graph(*stacked(lines)).count("<polygon") == 2


def test_a_dashed_line_is_dashed_in_the_legend_too() -> None:
    """A dashed style appears in both the graph and the legend."""
    points = [(START, 1.0), (START + 2, 1.0)]
    picture = graph(Line("limit", points, Style("#808080", (6, 4))))
    assert 'stroke-dasharray="6 4"' in picture
    assert picture.count("stroke-dasharray") == 2


def test_a_name_is_written_as_it_is() -> None:
    """Markup in the name of a series is escaped."""
    picture = graph(Line("<b>&", [(START, 1.0)], STYLE))
    assert "&lt;b&gt;&amp;" in picture


def test_series_look_as_the_dashboards_say() -> None:
    """Overrides by name, pattern and query apply; other series get colors without a meaning."""
    panels = {
        panel["title"]: panel
        for panel in json.loads((DASHBOARDS / "overview.json").read_text("utf-8"))["panels"]
    }

    def looks(title: str, *series: tuple[str, str]) -> list[Style]:
        return styles(panels[title], series)

    ok, error, rejected = looks("Calls by outcome", ("ok", "A"), ("error", "A"), ("rejected", "A"))
    assert (ok.color, error.color, rejected.color) == ("#56a64b", "#e02f44", "#cc9d00")
    failed, late = looks("Burn rate", ("failed calls, x", "A"), ("late first tokens, x", "B"))
    assert (failed.color, late.color) == ("#e02f44", "#a352cc")
    unknown, another = looks("Errors by reason", ("UNKNOWN NEW", "A"), ("UNKNOWN ALSO", "A"))
    assert {unknown.color, another.color} == {"#e02f44", "#ff7383"}
    [limit] = looks("Streams and slots", ("limit", "C"))
    assert limit == Style("#808080", (6, 4))
    large, small = looks("Cost", ("demo-large", "A"), ("demo-small", "A"))
    assert {large.color, small.color}.isdisjoint({ok.color, error.color, rejected.color})


def test_series_of_one_meaning_have_shades_of_its_color() -> None:
    """An override with shades gives each series that it matches another shade of its colour."""
    [panel] = [
        panel
        for panel in json.loads((DASHBOARDS / "routes.json").read_text("utf-8"))["panels"]
        if panel["title"] == "Requests by route and result"
    ]
    names = ("gpu/a ok", "gpu/a error", "gpu/b ok", "gpu/b error", "gpu/b other")
    found = [style.color for style in styles(panel, [(name, "A") for name in names])]
    assert found == ["#56a64b", "#e02f44", "#96d98d", "#ff7383", "#3274d9"]
