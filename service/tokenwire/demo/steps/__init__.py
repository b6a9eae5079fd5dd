"""The vocabulary of plans; importing it registers every step.

The order of the imports is the order in the documentation.
"""

from tokenwire.demo.steps import answering as answering
from tokenwire.demo.steps.scenario import ScenarioStep as ScenarioStep
