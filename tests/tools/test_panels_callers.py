"""The panels of callers are evaluated by a real Prometheus after known traffic.

As in test_panels.py, rates are only checked for having data, and counters are exact.
"""

import math
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from panel_queries import PICKERS, PanelQuery
from prometheus_server import Prometheus
from support.observed_callers import observed_callers
from support.panels import QUERIES, check_picker, id_of, of, samples_of, values_of
from tokenwire.observability.metrics.labels import IssuerFetchResult, StoreFailureCause

pytestmark = [
    pytest.mark.tools,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="module"),  # one Prometheus with its traffic for all tests
]

OF_CALLERS = [query for query in QUERIES if query.dashboard == "callers"]

EXACT: Mapping[str, Mapping[str, float]] = {
    "Calls by caller": {"team": 6, "other": 3},
    "Calls rejected by limits": {
        "team CALLER_TOO_MANY_STREAMS": 1,
        "team CALLER_RATE_LIMITED": 1,
        "team CALLER_BUDGET_EXHAUSTED": 1,
    },
    "Failing share by caller": {"team": 0, "other": 1 / 3},
    "Failures of the store": {cause.value: 0 for cause in StoreFailureCause},
    "Lost usage records": {"queue": 0, "shutdown": 0},
    "Processes without issuers' keys": {"company": 0, "away": 1},
}
OF_THE_PROCESS: Mapping[str, float] = {
    "Store of limits": 1,
    "Leases": 1,
    "Updates that wait for the store": 0,
    "Lost updates": 0,
    "Usage records written": 9,
    "Usage records that wait": 0,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prometheus(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prometheus]:
    async with observed_callers(tmp_path_factory.mktemp("prometheus")) as running:
        yield running


@pytest.mark.parametrize("query", OF_CALLERS, ids=id_of)
async def test_every_query_returns_data(prometheus: Prometheus, query: PanelQuery) -> None:
    """Each query of each panel, sent as Grafana sends it, returns at least one number."""
    samples = await samples_of(prometheus, query)
    assert [sample for sample in samples if math.isfinite(sample.value)]


@pytest.mark.parametrize("picker", PICKERS)
async def test_a_choice_holds_for_every_panel(prometheus: Prometheus, picker: str) -> None:
    """Every picker of the dashboard applies to every panel."""
    for query in OF_CALLERS:
        await check_picker(prometheus, query, picker)


@pytest.mark.parametrize("title", EXACT)
async def test_a_panel_shows_what_the_traffic_did(prometheus: Prometheus, title: str) -> None:
    """Calls, rejections, failures and issuers match the traffic exactly."""
    values = await values_of(prometheus, of(("callers", title)))
    assert values == pytest.approx(EXACT[title])


@pytest.mark.parametrize("title", OF_THE_PROCESS)
async def test_every_process_has_a_series_of_its_own(prometheus: Prometheus, title: str) -> None:
    """A panel by process has the state of the process, and all that it counted."""
    values = await values_of(prometheus, of(("callers", title)))
    assert list(values.values()) == [OF_THE_PROCESS[title]]


async def test_who_spent_what(prometheus: Prometheus) -> None:
    """Tokens and cost are those of each caller's answers."""
    tokens = await values_of(prometheus, of(("callers", "Tokens by caller")))
    assert tokens["other input"] == 2 * 20
    assert tokens["other output"] == 2 * 10
    assert tokens["team output"] > 300
    cost = await values_of(prometheus, of(("callers", "Cost by caller")))
    assert cost["other"] == pytest.approx(3600 * 2 * 0.04)
    assert cost["team"] >= 3600 * 2 * 0.04


async def test_how_near_callers_are_to_their_limits(prometheus: Prometheus) -> None:
    """The running call takes one of two streams; tokens are almost used up, calls are not."""
    used = await values_of(prometheus, of(("callers", "Used share of limits")))
    assert used.keys() == {
        "team streams",
        "team requests/d",
        "team tokens/d",
        "team dollars/month",
    }
    assert used["team streams"] == 0.5
    assert used["team requests/d"] == 0.5
    assert 0.7 < used["team tokens/d"] <= 1.3
    assert 0 < used["team dollars/month"] < 0.1


async def test_the_time_of_the_store_is_within_its_limit(prometheus: Prometheus) -> None:
    """Each quantile of the times of answered requests is below the time after which it is away."""
    values = await values_of(prometheus, of(("callers", "Time of the store")))
    assert values.keys() == {"p50", "p95", "p99"}
    assert all(0 < value <= 0.25 for value in values.values())


async def test_the_age_of_keys(prometheus: Prometheus) -> None:
    """The issuer that answered has keys of some seconds; the one that is away has none."""
    ages = await values_of(prometheus, of(("callers", "Age of issuers' keys")))
    assert ages.keys() == {"company"}
    assert 0 <= ages["company"] < 180
    requests = await values_of(prometheus, of(("callers", "Requests for issuers' keys")))
    assert requests["company ok"] == 1
    assert requests["away unreachable"] >= 1
    assert len(requests) == 2 * len(IssuerFetchResult)
