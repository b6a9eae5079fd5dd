"""The panels and rules of routes are evaluated by a real Prometheus after known traffic.

As in test_panels.py, rates are only checked for having data, and counters are exact.
"""

import math
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from panel_queries import PICKERS, PanelQuery
from prometheus_server import Prometheus
from support.observed_routes import observed_routes
from support.panels import QUERIES, check_picker, id_of, of, samples_of, values_of

pytestmark = [
    pytest.mark.tools,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="module"),  # one Prometheus with its traffic for all tests
]

OF_ROUTES = [query for query in QUERIES if query.dashboard == "routes"]

EXACT: Mapping[str, Mapping[str, float]] = {
    "Models served": {"fast": 1, "lost": 0, "busy": 1, "hedged": 1},
    "Open routes": {
        "failing/a": 0,
        "steady/b": 0,
        "limited/c": 1,
        "full/d": 0,
        "slow/e": 0,
        "swift/f": 0,
    },
    "Calls that wait for a route": {"waiting": 1},
    "Requests by route and result": {
        "failing/a ok": 10,
        "failing/a error": 2,
        "failing/a other": 1,
        "steady/b ok": 2,
        "steady/b error": 0,
        "steady/b other": 0,
        "limited/c ok": 1,
        "limited/c error": 1,
        "limited/c other": 0,
        "full/d ok": 0,
        "full/d error": 0,
        "full/d other": 0,
        "slow/e ok": 0,
        "slow/e error": 0,
        "slow/e other": 1,
        "swift/f ok": 1,
        "swift/f error": 0,
        "swift/f other": 0,
    },
    "Failing share by route": {
        "failing/a": 2 / 12,
        "steady/b": 0,
        "limited/c": 1 / 2,
        "full/d": math.nan,
        "slow/e": math.nan,
        "swift/f": 0,
    },
    "Calls that moved on by route": {
        "failing/a": 2,
        "steady/b": 0,
        "limited/c": 0,
        "full/d": 0,
        "slow/e": 0,
        "swift/f": 0,
    },
    "Share of calls that moved on": {"moved on": 2 / 16},
    "Calls that asked a second route": {
        "failing/a": 0,
        "steady/b": 0,
        "limited/c": 0,
        "full/d": 0,
        "slow/e": 0,
        "swift/f": 1,
    },
    "Streams in flight by upstream": {
        "failing": 0,
        "steady": 0,
        "limited": 0,
        "full": 1,
        "slow": 0,
        "swift": 0,
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prometheus(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prometheus]:
    async with observed_routes(tmp_path_factory.mktemp("prometheus")) as running:
        yield running


@pytest.mark.parametrize("query", OF_ROUTES, ids=id_of)
async def test_every_query_returns_data(prometheus: Prometheus, query: PanelQuery) -> None:
    """Each query of each panel, sent as Grafana sends it, returns at least one number."""
    samples = await samples_of(prometheus, query)
    assert [sample for sample in samples if math.isfinite(sample.value)]


@pytest.mark.parametrize("picker", PICKERS)
async def test_a_choice_holds_for_every_panel(prometheus: Prometheus, picker: str) -> None:
    """Every picker of the dashboard applies to every panel."""
    for query in OF_ROUTES:
        await check_picker(prometheus, query, picker)


@pytest.mark.parametrize("title", EXACT)
async def test_a_panel_shows_what_the_traffic_did(prometheus: Prometheus, title: str) -> None:
    """Requests, results, fallbacks and states match the traffic exactly."""
    values = await values_of(prometheus, of(("routes", title)))
    assert values == pytest.approx(EXACT[title], nan_ok=True)


async def test_every_process_has_a_series_of_its_own(prometheus: Prometheus) -> None:
    """A panel by process has all requests, and the state of the file, of the process."""
    for title, value in (
        ("Requests by process", 19),
        ("Gateway file", 1),
        ("Gateway file's contents in use", 1),
    ):
        values = await values_of(prometheus, of(("routes", title)))
        assert list(values.values()) == [value]
