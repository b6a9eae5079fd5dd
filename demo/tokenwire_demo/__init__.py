"""A simulator of an OpenAI-compatible server, for demos and tests.

The package does not depend on tokenwire. No model generates the answers, and each answer says so.
"""

from tokenwire_demo.barrier import Barrier
from tokenwire_demo.documentation import scenario_table, step_tables
from tokenwire_demo.handler import DEMO_MODEL
from tokenwire_demo.log import ConnectionRecord, RequestRecord
from tokenwire_demo.plan import Plan, PlanError, parse_plan
from tokenwire_demo.scenarios import SCENARIOS, Scenario
from tokenwire_demo.upstream import DemoUpstream
from tokenwire_demo.version import __version__

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
    "__version__",
    "parse_plan",
    "scenario_table",
    "step_tables",
]
