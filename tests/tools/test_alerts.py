"""Every alert fires on a real Prometheus when its fault is there, and no other does.

The rules' times are a hundredth as long (tests/support/scaled_rules.py); with those that they
have, the unit tests in observability/prometheus/tests tell when they fire.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import yaml

from prometheus_server import RULES, Prometheus
from support.faulty import faulty

pytestmark = [pytest.mark.tools, pytest.mark.timeout(180)]
together = pytest.mark.asyncio(loop_scope="module")
"""One Prometheus and its services for all."""

EXPECTED = {
    # First, because it is forgotten after an hour, which here is 36 seconds.
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
    "expiring": {"TokenwireCertificateExpiresSoon", "TokenwireCertificateExpiresNow"},
    "mismatched": {"TokenwireCertificateNotReloaded"},
    "distrusted": {"TokenwireTlsHandshakesUnused"},
    "crashing": {"TokenwireWorkerDown"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prometheus(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prometheus]:
    async with faulty(tmp_path_factory.mktemp("prometheus")) as running:
        yield running


@together
@pytest.mark.parametrize("job", EXPECTED)
async def test_a_fault_fires_its_alerts(prometheus: Prometheus, job: str) -> None:
    """Soon after a fault begins, each alert that is about it fires."""
    for alert in EXPECTED[job]:
        await prometheus.until(f'ALERTS{{alertstate="firing", job="{job}", alertname="{alert}"}}')


@together
async def test_nothing_else_fires(prometheus: Prometheus) -> None:
    """While all faults last, no alert fires for a service with another fault, or none."""
    assert {(job, name) for job, names in EXPECTED.items() for name in names} >= (
        await prometheus.firing()
    )


def test_every_alert_is_among_them() -> None:
    """There is no alert whose fault is not injected here."""
    groups = yaml.safe_load(RULES[1].read_text())["groups"]
    defined = {rule["alert"] for group in groups for rule in group["rules"]}
    assert set().union(*EXPECTED.values()) == defined
