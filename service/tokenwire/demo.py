"""The earlier name of `tokenwire_demo`, for one release."""

import warnings

from tokenwire_demo import (
    DEMO_MODEL,
    SCENARIOS,
    Barrier,
    ConnectionRecord,
    DemoUpstream,
    Plan,
    PlanError,
    RequestRecord,
    Scenario,
    parse_plan,
    scenario_table,
    step_tables,
)

__all__ = [
    "DEMO_MODEL",
    "SCENARIOS",
    "Barrier",
    "ConnectionRecord",
    "DemoUpstream",
    "Plan",
    "PlanError",
    "RequestRecord",
    "Scenario",
    "parse_plan",
    "scenario_table",
    "step_tables",
]

warnings.warn(
    "tokenwire.demo is tokenwire_demo now, of the distribution tokenwire-demo; "
    "this name goes away with the next release",
    DeprecationWarning,
    stacklevel=2,
)
