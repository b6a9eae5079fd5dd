"""Each alert fires on a real Prometheus for its own fault, and for no other.

The times in the rules are divided by 100 (tests/support/scaled_rules.py). The unit tests in
observability/prometheus/tests cover the original times.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import yaml

from prometheus_server import RULES, Prometheus
from support.faulty import faulty

pytestmark = [pytest.mark.tools, pytest.mark.timeout(180)]
together = pytest.mark.asyncio(loop_scope="module")
"""Makes all tests of this file share one Prometheus and its services."""

EXPECTED = {
    # First, because the fault is only remembered for an hour, which is 36 seconds here.
    "killed": {"TokenwireInstanceDown", "TokenwireDown"},
    "failing": {
        "TokenwireErrorBudgetBurnsFast",
        "TokenwireErrorBudgetBurnsSlowly",
        "TokenwireUpstreamErrors",
    },
    "late": {"TokenwireFirstTokensLate", "TokenwireFirstTokensOftenLate"},
    "hanging": {
        "TokenwireFirstTokensMissing",
        "TokenwireFirstTokensLate",
        "TokenwireFirstTokensOftenLate",
        "TokenwireCallersGiveUp",
    },
    "giving-up": {
        "TokenwireFirstTokensMissing",
        "TokenwireFirstTokensLate",
        "TokenwireFirstTokensOftenLate",
        "TokenwireCallersGiveUp",
    },
    "stalling": {"TokenwireCallersGiveUp"},
    "full": {"TokenwireSaturated", "TokenwireOverloaded"},
    "rejecting": {"TokenwireCallersRejected"},
    "silent": {"TokenwireNoTraffic"},
    "traceless": {"TokenwireSpansDropped"},
    "draining": {"TokenwireDrainStuck"},
    "lagging": {"TokenwireEventLoopLag"},
    "route-open": {"TokenwireRouteOpen"},
    "route-flaky": {"TokenwireFallbackRate", "TokenwireUpstreamErrors"},
    "route-full": {"TokenwireCallsWaitForRoute"},
    "file-invalid": {"TokenwireGatewayFileNotReloaded"},
    "issuer-away": {"TokenwireIssuerKeysOld"},
    "caller-near-limit": {"TokenwireCallerNearLimit"},
    "caller-limited": {"TokenwireCallerLimited", "TokenwireCallersRejected"},
    "store-away": {"TokenwireLimitStoreAway", "TokenwireLimitUpdatesLost"},
    "model-lost": {
        "TokenwireModelNotServing",
        "TokenwireRouteOpen",
        "TokenwireErrorBudgetBurnsFast",
        "TokenwireErrorBudgetBurnsSlowly",
    },
    "expiring": {"TokenwireCertificateExpiresSoon", "TokenwireCertificateExpiresNow"},
    "mismatched": {"TokenwireCertificateNotReloaded"},
    "distrusted": {"TokenwireTlsHandshakesUnused"},
    "crashing": {"TokenwireWorkerDown"},
    "unwritten": {"TokenwireUsageNotWritten", "TokenwireUsageRecordsLost"},
}

ALSO = {("model-lost", "TokenwireUpstreamErrors")}
"""Alerts that may fire: a probe is a failed request, and its calls are few."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prometheus(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prometheus]:
    async with faulty(tmp_path_factory.mktemp("prometheus")) as running:
        yield running


@together
@pytest.mark.parametrize("job", EXPECTED)
async def test_a_fault_fires_its_alerts(prometheus: Prometheus, job: str) -> None:
    """Each alert about a fault fires soon after the fault begins."""
    for alert in EXPECTED[job]:
        await prometheus.until(f'ALERTS{{alertstate="firing", job="{job}", alertname="{alert}"}}')


@together
async def test_nothing_else_fires(prometheus: Prometheus) -> None:
    """While all faults last, no service has an alert about another fault."""
    expected = {(job, name) for job, names in EXPECTED.items() for name in names}
    assert expected | ALSO >= await prometheus.firing()


def test_every_alert_is_among_them() -> None:
    """Every alert is tested with its fault."""
    groups = yaml.safe_load(RULES[1].read_text())["groups"]
    defined = {rule["alert"] for group in groups for rule in group["rules"]}
    assert set().union(*EXPECTED.values()) == defined
