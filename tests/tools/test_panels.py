"""Every panel and rule is evaluated by a real Prometheus after known traffic.

The panels of routes are in test_panels_routes.py, those of callers in test_panels_callers.py.

Rates are only checked for having data. Since all counters began at 0, the same expressions
without the rates must match the traffic exactly.
"""

import math
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from panel_queries import PICKERS, PanelQuery
from prometheus_server import Prometheus
from support.app import MODEL
from support.observed import PRICED, observed
from support.panels import QUERIES, check_picker, id_of, of, samples_of, values_of

pytestmark = [
    pytest.mark.tools,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="module"),  # one Prometheus with its traffic for all tests
]

OF_ALL_SERVERS = [query for query in QUERIES if query.dashboard not in {"routes", "callers"}]

TOKENS = {"input": 250.0, "output": 83, "cached": 100, "reasoning": 25}
"""The tokens of the default model, whose whole answers have 10, 3, 4 and 1 tokens."""
PRICED_TOKENS = {"input": 4000.0, "output": 8, "cached": 800, "reasoning": 0}
COST = 4 * (800 * 1 + 200 * 0.5 + 2 * 2) / 1e6
REASONS = {
    "ABORTED UPSTREAM_STREAM_BROKEN": 2.0,
    "CANCELLED CANCELLED": 4,
    "DEADLINE_EXCEEDED DEADLINE_EXCEEDED": 2,
    "FAILED_PRECONDITION CONTENT_FILTERED": 2,
    "INVALID_ARGUMENT EMPTY_PROMPT": 2,
    "RESOURCE_EXHAUSTED SERVER_OVERLOADED": 1,
}
EXACT: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("overview", "Availability"): {"": 29 / 31},
    ("overview", "Calls"): {"": 42},
    ("overview", "Failing"): {"": 2},
    ("overview", "Output tokens"): {"": 83 + 8},
    ("overview", "Slots taken"): {"": 0},
    ("overview", "Calls by outcome"): {
        "ok": 29,
        "error": 2,
        "rejected": 5,
        "cancelled": 4,
        "deadline": 2,
    },
    ("overview", "Errors by reason"): REASONS,
    ("overview", "Tokens"): {kind: TOKENS[kind] + PRICED_TOKENS[kind] for kind in TOKENS},
    ("overview", "Streams and slots"): {"streams": 0, "waiting": 0, "limit": 2 + 2 * 1000},
    ("overview", "Calls by status code"): {
        "OK": 29,
        **{name.split()[0]: count for name, count in REASONS.items()},
    },
    ("overview", "Rejected calls by reason"): {
        "CONTENT_FILTERED": 2,
        "EMPTY_PROMPT": 2,
        "SERVER_OVERLOADED": 1,
    },
    ("overview", "Cost"): {PRICED: 3600 * COST},
    ("overview", "Calls whose caller left"): {"before_first_token": 2, "streaming": 2},
    ("overview", "Callers who left waiting"): {
        "cancelled before_first_token": 2,
        "cancelled streaming": 2,
        "deadline before_first_token": 0,
        "deadline streaming": 2,
    },
    ("model", "Calls by model"): {MODEL: 35, PRICED: 4, "other": 3},
    ("model", "Calls by error"): {
        "CANCELLED": 4,
        "CONTENT_FILTERED": 2,
        "DEADLINE_EXCEEDED": 2,
        "EMPTY_PROMPT": 2,
        "SERVER_OVERLOADED": 1,
        "UPSTREAM_STREAM_BROKEN": 2,
    },
    ("model", "Failing share by model"): {MODEL: 2 / 27, PRICED: 0, "other": math.nan},
    ("model", "Output tokens by model"): {MODEL: 83, PRICED: 8, "other": 0},
    ("model", "Cached share of input"): {MODEL: 100 / 250, PRICED: 0.2, "other": math.nan},
    ("model", "Failed requests to the upstream"): {
        f"{MODEL} UPSTREAM_ERROR": 1,
        f"{MODEL} UPSTREAM_STREAM_BROKEN": 2,
    },
    ("model", "Repeated requests"): {f"{MODEL} UPSTREAM_ERROR": 1},
    ("model", "Why answers ended"): {"stop": 25, "length": 4, "tool_calls": 0, "other": 0},
    ("model", "Tokens for callers who left"): {MODEL: 4, PRICED: 0, "other": 0},
    ("model", "Cost by model"): {PRICED: 3600 * COST},
    ("process", "Lost spans"): {"export": 0, "queue": 0},
}

# The bucket that contains all values of the model `priced`.
WITHIN: Mapping[tuple[str, str], tuple[float, float]] = {
    ("overview", "First token, p95"): (1, 2.5),
    ("overview", "Time to first token"): (1, 2.5),
    ("overview", "Time between tokens"): (1, 2.5),
    ("model", "First token by model, p95"): (1, 2.5),
    ("model", "Time between tokens by model, p95"): (1, 2.5),
    ("model", "Time of the upstream"): (2.56, 5.12),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prometheus(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prometheus]:
    async with observed(tmp_path_factory.mktemp("prometheus")) as running:
        yield running


@pytest.mark.parametrize("query", OF_ALL_SERVERS, ids=id_of)
async def test_every_query_returns_data(prometheus: Prometheus, query: PanelQuery) -> None:
    """Each query of each panel, sent as Grafana sends it, returns at least one number."""
    samples = await samples_of(prometheus, query)
    assert [sample for sample in samples if math.isfinite(sample.value)]


@pytest.mark.parametrize("picker", PICKERS)
async def test_a_choice_holds_for_every_panel(prometheus: Prometheus, picker: str) -> None:
    """A picker applies to every panel, except those whose description says otherwise."""
    for query in OF_ALL_SERVERS:
        await check_picker(prometheus, query, picker)


@pytest.mark.parametrize("panel", EXACT, ids=str)
async def test_a_panel_shows_what_the_traffic_did(
    prometheus: Prometheus, panel: tuple[str, str]
) -> None:
    """Tokens, codes, outcomes, reasons and cost match the traffic exactly."""
    values = await values_of(prometheus, of(panel))
    assert values == pytest.approx(EXACT[panel], nan_ok=True)


@pytest.mark.parametrize("panel", WITHIN, ids=str)
async def test_a_quantile_is_within_its_bucket(
    prometheus: Prometheus, panel: tuple[str, str]
) -> None:
    """Each quantile of the model with known times falls into the expected bucket."""
    low, high = WITHIN[panel]
    values = await values_of(prometheus, of(panel), model=PRICED)
    assert values
    assert all(low <= value <= high for value in values.values()), values


async def test_tokens_of_an_answer_are_within_their_bucket(prometheus: Prometheus) -> None:
    """The quantiles of answers with 1000 input and 2 output tokens are in the expected buckets."""
    values = await values_of(prometheus, of(("model", "Tokens of one answer")), model=PRICED)
    for quantile in ("p50", "p95"):
        assert 256 <= values[f"input, {quantile}"] <= 1024
        assert 1 <= values[f"output, {quantile}"] <= 4


async def test_every_process_has_series_of_its_own(prometheus: Prometheus) -> None:
    """A panel by process shows separate series for the single process and both workers."""
    [streams] = of(("process", "Slots taken"))
    samples = await samples_of(prometheus, streams)
    assert sorted(sample.labels.get("worker", "") for sample in samples) == ["", "0", "1"]
    assert len({sample.labels["instance"] for sample in samples}) == 2


async def test_every_rule_is_evaluated_and_has_data(prometheus: Prometheus) -> None:
    """All rules are healthy, and each recording rule records finite numbers."""
    rules = await prometheus.rules()
    assert {rule["health"] for rule in rules} == {"ok"}
    recorded = {rule["name"] for rule in rules if rule["type"] == "recording"}
    assert len(recorded) == 18
    for name in recorded:
        samples = await prometheus.query(name)
        assert samples, name
        assert all(math.isfinite(sample.value) for sample in samples), name
        assert {sample.labels["job"] for sample in samples} == {"tokenwire"}


async def test_recorded_ratios_are_those_of_the_traffic(prometheus: Prometheus) -> None:
    """The error and latency ratios match the traffic, summed over pods and workers."""
    # Two errors in the 31 calls that count. Two late first tokens in 35, from the 29 successful
    # calls and from those that failed, were cancelled or expired after their first token.
    for name, ratio in (("errors", 2 / 31), ("late_first_tokens", 2 / 35)):
        for window in ("5m", "1h", "3d"):
            [sample] = await prometheus.query(f"job:tokenwire_{name}:ratio_rate{window}")
            # Prometheus extrapolates rates, slightly differently for each server.
            assert sample.value == pytest.approx(ratio, rel=0.1)
