"""Hooks that fail what would be skipped: `make test-tools` brings every tool.

tests/tools/conftest.py imports them, so they hold for every test beside it.
Expected failures count too: they hide a missing tool just as well.
"""

from collections.abc import Generator

import pytest

HINT = "nothing may skip here; run it by `make test-tools`, which brings every tool"


# First, and so outermost: it sees the report after pytest made skips and expected
# failures of it.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that skips itself or is expected to fail."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        # pytest counts a failure only if it was not expected.
        vars(report).pop("wasxfail", None)
        report.longrepr = f"{item.nodeid} was skipped, but {HINT}: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a whole file that skips itself, for instance by importorskip."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, but {HINT}: {report.longrepr}"
    return report
