"""The dashboard of a gateway file's routes."""

from typing import Final

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import LineInterpolation

from meanings import RESULTS, shades
from panels import Panel, graph, query
from promql import PROCESS, gauge, total

REQUESTS: Final = "tokenwire_route_requests_total"
FALLBACKS: Final = "tokenwire_route_fallbacks_total"
ASKED: Final = "gen_ai_client_operation_duration_seconds_count"
"""Calls that asked a model, on whichever routes."""
ROUTE: Final = "{{route}}"
EACH: Final = "{{instance}} {{worker}}"
"""Worker is empty where a process has no others beside it."""


def panels() -> list[Panel]:
    """Return the panels in their order."""
    return [*states(), *requests(), *load(), *file()]


def states() -> list[Panel]:
    """Return the panels of what lets calls through."""
    return [
        graph(
            "Models served",
            "Share of processes in which a route of the model lets calls through. At 0 % every "
            "call of that model fails or waits.",
            units.PercentUnit,
            query(f"avg by (model) ({gauge('tokenwire_model_serving')})", "{{model}}"),
        ).line_interpolation(LineInterpolation.STEP_AFTER),
        graph(
            "Open routes",
            "Share of processes in which the breakers of the route let no call through. Each "
            "process has its own breakers.",
            units.PercentUnit,
            query(f"avg by (route) ({gauge('tokenwire_route_open')})", ROUTE),
        ).line_interpolation(LineInterpolation.STEP_AFTER),
        graph(
            "Calls that wait for a route",
            "Calls of which every route is open or has `max_streams` answers in flight.",
            units.Short,
            query(f"sum ({gauge('tokenwire_route_waiting')})", "waiting"),
        ),
    ]


def requests() -> list[Panel]:
    """Return the panels of how requests on a route end."""
    return [
        by_route_and_result(),
        graph(
            "Failing share by route",
            "Share of requests in which the upstream failed, of those that tell how it is. While "
            "a route is open its only requests are probes.",
            units.PercentUnit,
            query(
                total(REQUESTS, f'{PROCESS}, result="error"', by="route")
                + " / "
                + total(REQUESTS, f'{PROCESS}, result=~"ok|error"', by="route"),
                ROUTE,
            ),
        ),
        graph(
            "Calls that moved on by route",
            "Calls that another route answered, or was asked to answer, after this one had "
            "failed, each second.",
            units.RequestsPerSecond,
            query(total(FALLBACKS, by="route"), ROUTE),
            stacked=True,
        ),
    ]


def by_route_and_result() -> Panel:
    """Return the panel of all requests."""
    panel = graph(
        "Requests by route and result",
        "Requests that ended, each second. Other: the caller left, or caused the failure.",
        units.RequestsPerSecond,
        query(total(REQUESTS, by="route, result"), f"{ROUTE} {{{{result}}}}"),
        stacked=True,
    )
    for result, color in RESULTS.items():
        panel.override_by_regexp(f"/ {result.value}$/", shades(color))
    return panel


def load() -> list[Panel]:
    """Return the panels of the service's and the upstreams' load."""
    return [
        graph(
            "Share of calls that moved on",
            "Routes that calls left because they failed, for each call that asked a model. Their "
            "callers got their first token later.",
            units.PercentUnit,
            query(f"{total(FALLBACKS)} / {total(ASKED)}", "moved on"),
        ),
        graph(
            "Streams in flight by upstream",
            "Requests in flight to each upstream, which its `max_streams` limits in each process.",
            units.Short,
            query(
                f"sum by (upstream) ({gauge('tokenwire_upstream_streams_in_flight')})",
                "{{upstream}}",
            ),
        ),
        graph(
            "Requests by process",
            "Requests on all routes that ended in each process, each second.",
            units.RequestsPerSecond,
            query(total(REQUESTS, by="instance, worker"), EACH),
            stacked=True,
        ),
    ]


def file() -> list[Panel]:
    """Return the panels of hedged calls and of the gateway file."""
    return [
        graph(
            "Calls that asked a second route",
            "With `hedge_after`: calls that asked this route too because the first one was slow, "
            "each second.",
            units.RequestsPerSecond,
            query(total("tokenwire_route_hedges_total", by="route"), ROUTE),
            stacked=True,
        ),
        graph(
            "Gateway file",
            "1 if its current content is in use, 0 while it is invalid and the previous content "
            "stays in use.",
            units.Short,
            query(gauge("tokenwire_gateway_file_usable"), EACH),
        ).line_interpolation(LineInterpolation.STEP_AFTER),
        graph(
            "Gateway file's contents in use",
            "The current content, and previous ones with which calls began that still run.",
            units.Short,
            query(gauge("tokenwire_gateway_versions"), EACH),
        ),
    ]
