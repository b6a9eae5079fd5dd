"""The step that stands for a whole named plan."""

from dataclasses import dataclass

from tokenwire_demo.exchange import Exchange
from tokenwire_demo.step import Kind, Step, step


@step("scenario", Kind.BODY)
@dataclass(frozen=True)
class ScenarioStep(Step):
    """All steps of the scenario of this name."""

    name: str

    async def play(self, exchange: Exchange) -> None:
        """Never happens: the parser puts the scenario's steps in its place."""
