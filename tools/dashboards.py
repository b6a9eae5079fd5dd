"""The Grafana dashboards in observability/dashboards."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import TimeZoneBrowser
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableHide,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

import dashboard_callers
import dashboard_model
import dashboard_overview
import dashboard_process
import dashboard_routes
from panels import SOURCE, Panel
from promql import SERVICE

FOLDER: Final = Path("observability") / "dashboards"
TAG: Final = "tokenwire"
PICKERS: Final = ("instance", "model")
"""Variables that some panels cannot obey, since their metrics have no such label."""


def all_dashboards() -> dict[str, Dashboard]:
    """Return every dashboard by the name of its file, which its uid ends with."""
    return {
        "overview": dashboard(
            "tokenwire / Overview",
            "Whether answers flow, how fast, at what cost: to be read in ten seconds.",
            dashboard_overview.panels(),
        ),
        "model": dashboard(
            "tokenwire / Model and upstream",
            "What each model and its upstream do.",
            dashboard_model.panels(),
        ),
        "process": dashboard(
            "tokenwire / Process",
            "What each process, pod or worker, has left: CPU, memory, event loop, slots. "
            "Processes serve all models, so no model is chosen here.",
            dashboard_process.panels(),
            by_model=False,
        ),
        "routes": dashboard(
            "tokenwire / Routes",
            "With a gateway file: which routes fail, are open or full, and whether every model is "
            "served. Models share routes, so no model is chosen here.",
            dashboard_routes.panels(),
            by_model=False,
        ),
        "callers": dashboard(
            "tokenwire / Callers",
            "With callers in the gateway file: who uses how much, how near they are to their "
            "limits, and whether what counts it works. Limits are of all models together, so no "
            "model is chosen here.",
            dashboard_callers.panels(),
            by_model=False,
        ),
    }


def dashboard(
    title: str, description: str, panels: Sequence[Panel], *, by_model: bool = True
) -> Dashboard:
    """Return a dashboard, but for its uid.

    Args:
        title: As Grafana lists it.
        description: What it is for.
        panels: In their order, which their ids follow: add new ones at the end.
        by_model: Whether a model can be chosen.
    """
    made = (
        Dashboard(title)
        .description(description)
        .tags([TAG])
        .version(1)
        .editable()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .refresh("30s")
        .time("now-1h", "now")
        .timezone(TimeZoneBrowser)
        .annotations([])
        .link(
            DashboardLink(TAG)
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(include_vars=True)
            .keep_time(keep_time=True)
        )
        .variables(variables(by_model=by_model))
    )
    for number, panel in enumerate(panels, start=1):
        text = panel.build().description or ""
        made.with_panel(panel.id(number).description(text + _ignored(panel, by_model=by_model)))
    return made


def variables(*, by_model: bool) -> list[Builder[VariableModel]]:
    """Return what is chosen at the top of a dashboard.

    Where no model can be chosen the variable is hidden, so that the links to the other
    dashboards still hand over which one was.
    """
    build, calls = "tokenwire_build_info", "tokenwire_calls_total"
    shown = VariableHide.DONT_HIDE if by_model else VariableHide.HIDE_VARIABLE
    return [
        DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _variable("namespace", "Namespace", f"label_values({build}, namespace)"),
        _variable("job", "Job", f'label_values({build}{{namespace=~"$namespace"}}, job)'),
        _variable("instance", "Instance", f"label_values({build}{{{SERVICE}}}, instance)"),
        _variable(
            "model", "Model", f"label_values({calls}{{{SERVICE}}}, gen_ai_request_model)"
        ).hide(shown),
    ]


def _variable(name: str, label: str, query: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)  # so that new pods are there
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .current(VariableOption(text="All", value="$__all"))
    )


def _ignored(panel: Panel, *, by_model: bool) -> str:
    """Return a sentence about what is chosen in vain for this panel, if anything is."""
    queries = JSONEncoder().encode(panel.build().targets)
    pickers = PICKERS if by_model else PICKERS[:1]
    ignored = [f"{picker}s" for picker in pickers if f"${picker}" not in queries]
    return f" Shows all {' and '.join(ignored)}, whatever is chosen." if ignored else ""


def dashboards(root: Path) -> None:
    """Write every dashboard."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in all_dashboards().items():
        text = JSONEncoder(indent=2).encode(made.uid(f"tokenwire-{name}").build())
        (folder / f"{name}.json").write_text(f"{text}\n", "utf-8")
