"""All steps. Importing this package registers them."""

from tokenwire_demo.steps import (
    answering,
    calling,
    ending,
    flooding,
    malforming,
    pausing,
    responding,
    scenario,
)
from tokenwire_demo.steps.scenario import ScenarioStep

GROUPS = {
    "The answer": answering,
    "Tool calls": calling,
    "Waiting and writing": pausing,
    "Status and headers": responding,
    "The end": ending,
    "Malformed events": malforming,
    "Floods": flooding,
    "Scenarios": scenario,
}
"""The modules of steps, by their titles in the documentation."""

__all__ = ["GROUPS", "ScenarioStep"]
