"""The vocabulary of plans; importing it registers every step."""

from tokenwire_demo.steps import (
    answering,
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
    "Waiting, and how the rest is sent": pausing,
    "Status and headers": responding,
    "The end": ending,
    "Malformed events": malforming,
    "Too much": flooding,
    "A plan with a name": scenario,
}
"""The modules of steps by their titles in the documentation."""

__all__ = ["GROUPS", "ScenarioStep"]
