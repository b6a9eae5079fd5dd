"""Hooks that fail skipped tests: `make test-tools` and `make test-cluster` install every tool.

The conftest.py of tests/tools and tests/cluster import them, so they apply to every test there.
Expected failures fail too, since they would hide a missing tool as well.
"""

from collections.abc import Generator

import pytest

HINT = "nothing may skip here; `make test-tools` and `make test-cluster` bring what it needs"


# First and therefore outermost, so that it sees the report after pytest has handled skips
# and expected failures.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that is skipped or expected to fail."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        # pytest counts only unexpected failures.
        vars(report).pop("wasxfail", None)
        report.longrepr = f"{item.nodeid} was skipped, but {HINT}: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a file that is skipped as a whole, for example by importorskip."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, but {HINT}: {report.longrepr}"
    return report
