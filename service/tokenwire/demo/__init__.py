"""The built-in demo upstream: a simulator of an OpenAI-compatible server.

It needs nothing of the rest of tokenwire. It does not think, and it says so.
"""

from tokenwire.demo.barrier import Barrier
from tokenwire.demo.documentation import scenario_table, step_tables
from tokenwire.demo.handler import DEMO_MODEL
from tokenwire.demo.log import ConnectionRecord, RequestRecord
from tokenwire.demo.plan import Plan, PlanError, parse_plan
from tokenwire.demo.scenarios import SCENARIOS, Scenario
from tokenwire.demo.upstream import DemoUpstream

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
