"""The values of panels, as a real Prometheus returns them."""

import re

from panel_queries import PanelQuery, panel_queries, substituted
from prometheus_server import Prometheus, Sample

QUERIES = panel_queries()


def id_of(query: PanelQuery) -> str:
    return f"{query.dashboard}-{query.title}-{query.legend}"


def of(panel: tuple[str, str]) -> list[PanelQuery]:
    """Return the queries of a panel, by its dashboard and title."""
    found = [query for query in QUERIES if (query.dashboard, query.title) == panel]
    assert found, panel
    return found


def counted(expr: str) -> str:
    """Return the expression with the counters themselves instead of their rates."""
    return re.sub(r"\b(?:rate|increase)\(([^()]*)\[[^]]*\]\)", r"\1", expr)


async def samples_of(prometheus: Prometheus, query: PanelQuery, **chosen: str) -> list[Sample]:
    """Return the result of a query, sent as Grafana sends it."""
    return await prometheus.query(substituted(query.expr, interval="1m", span="5m", **chosen))


async def values_of(
    prometheus: Prometheus, queries: list[PanelQuery], **chosen: str
) -> dict[str, float]:
    """Return the values of the counters, keyed by the legends of a panel's queries."""
    found = {}
    for query in queries:
        expr = counted(substituted(query.expr, interval="1m", span="5m", **chosen))
        assert "[" not in expr
        for sample in await prometheus.query(expr):
            name = query.name(sample.labels)
            assert name not in found
            found[name] = sample.value
    return found


async def check_picker(prometheus: Prometheus, query: PanelQuery, picker: str) -> None:
    """Check that a query has no result for a choice that nothing has, unless it ignores it."""
    samples = await samples_of(prometheus, query, **{picker: "nobodys"})
    ignored = re.search(f"Shows all .*{picker}s.*, whatever", query.panel["description"])
    without_models = picker == "model" and query.dashboard in {"process", "routes", "callers"}
    assert bool(samples) == bool(ignored or without_models), query
