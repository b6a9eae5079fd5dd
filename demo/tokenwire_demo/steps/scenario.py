"""The step that is replaced by the steps of a scenario."""

from dataclasses import dataclass

from tokenwire_demo.exchange import Exchange
from tokenwire_demo.step import Kind, Step, step


@step("scenario", Kind.BODY)
@dataclass(frozen=True)
class ScenarioStep(Step):
    """The steps of the scenario NAME."""

    name: str

    async def play(self, exchange: Exchange) -> None:
        """Do nothing: the parser replaces this step by the steps of the scenario."""
