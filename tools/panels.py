"""Panels and their queries, as all dashboards have them."""

from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import common, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, ThresholdsMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from meanings import QUANTILES, colored
from promql import PROCESS, quantile

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
REF_IDS: Final = "ABCDEF"
TOKENS_PER_SECOND: Final = "tokens/s"
"""No unit of Grafana's, which then shows it behind the number."""

Panel: TypeAlias = timeseries.Panel | stat.Panel | table.Panel
Steps: TypeAlias = tuple[tuple[float, str], ...]
"""From which value on a stat has which colour; the first holds for all below too."""


def query(expr: str, legend: str = "__auto", *, exemplars: bool = False) -> Dataquery:
    """Return a query.

    Args:
        expr: PromQL, with the dashboard's variables.
        legend: Grafana's pattern for the names of the series.
        exemplars: Whether Grafana asks for the traces behind it.
    """
    made = Dataquery().datasource(SOURCE).expr(expr).legend_format(legend)
    return made.exemplar(exemplar=True) if exemplars else made


def graph(
    title: str, description: str, unit: str, *queries: Dataquery, stacked: bool = False
) -> timeseries.Panel:
    """Return a panel of lines over time.

    Args:
        title: What it shows.
        description: What it tells whoever is on call.
        unit: Grafana's name of the unit.
        queries: Where its data comes from; their ids are A, B, C.
        stacked: Whether the series are parts of one whole.
    """
    mode = StackingMode.NORMAL if stacked else StackingMode.NONE
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(8)
        .height(8)
        .unit(unit)
        .min(0)
        .fill_opacity(40 if stacked else 5)
        .show_points(VisibilityMode.NEVER)
        .stacking(common.StackingConfig().mode(mode).group("A"))
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
        .tooltip(
            common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        )
    )
    for letter, each in zip(REF_IDS, queries, strict=False):
        panel.with_target(each.ref_id(letter))
    return panel


def quantiles(
    title: str,
    description: str,
    histogram: str,
    labels: str = PROCESS,
    shares: tuple[float, ...] = (0.5, 0.95, 0.99),
) -> timeseries.Panel:
    """Return a panel of a histogram's quantiles in seconds, with exemplars."""
    queries = [
        query(quantile(share, histogram, labels), f"p{share * 100:.0f}", exemplars=True)
        for share in shares
    ]
    return colored(graph(title, description, "s", *queries), QUANTILES)


def figure(
    title: str, description: str, unit: str, asked: Dataquery, steps: Steps = ()
) -> stat.Panel:
    """Return a panel of one number, coloured by its value if there are steps."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(4)
        .height(4)
        .unit(unit)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(BigValueGraphMode.AREA)
        .color_mode(BigValueColorMode.VALUE if steps else BigValueColorMode.NONE)
        .with_target(asked.ref_id("A"))
    )
    if steps:
        thresholds = [
            Threshold(value if number else None, color)
            for number, (value, color) in enumerate(steps)
        ]
        panel.thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(thresholds))
    return panel


def rows(title: str, description: str, asked: Dataquery, width: int) -> table.Panel:
    """Return a panel of the present labels of all series, one a row."""
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(width)
        .height(8)
        .unit("short")
        .with_target(asked.ref_id("A").format(PromQueryFormat.TABLE).instant())
    )
