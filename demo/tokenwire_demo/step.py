"""What a step of a plan is."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum, auto
from typing import Annotated, Any, ClassVar, TypeVar

from tokenwire_demo.exchange import Exchange
from tokenwire_demo.log import Outcome

Seconds = Annotated[float, "SECONDS"]
Size = Annotated[int, "SIZE"]
"""Bytes; written in a plan as `300`, `64kB`, `10MB` or `2GB` (powers of 1000)."""


class Kind(Enum):
    """Where in a plan a step may stand."""

    SETTING = auto()
    """Sends nothing: anywhere."""
    OPENING = auto()
    """Sends status and headers: before anything else is sent."""
    BODY = auto()
    """Sends a part of the body, and the usual headers first if there are none yet."""
    ENDING = auto()
    """Nothing may follow."""
    WHOLE = auto()
    """A whole response: opening and ending."""


class Step(ABC):
    """One step. Subclasses are frozen dataclasses; their fields are the step's values.

    The first line of a subclass's docstring is its line in the documentation.
    """

    keyword: ClassVar[str]
    kind: ClassVar[Kind]
    needs_stream: ClassVar[bool]

    @abstractmethod
    async def play(self, exchange: Any) -> Outcome | None:
        """Do it.

        Args:
            exchange: An `EventStream` where the step needs one, else any `Exchange`.

        Returns:
            How the request ended if this step ended it otherwise than in good order.
        """


STEPS: dict[str, type[Step]] = {}
"""Every step by its name, in the order of the documentation."""

_StepType = TypeVar("_StepType", bound=type[Step])


def step(
    keyword: str, kind: Kind, *, needs_stream: bool = False
) -> Callable[[_StepType], _StepType]:
    """Register a step under its keyword."""

    def register(cls: _StepType) -> _StepType:
        cls.keyword, cls.kind, cls.needs_stream = keyword, kind, needs_stream
        STEPS[keyword] = cls
        return cls

    return register


async def play(steps: tuple[Step, ...], exchange: Exchange) -> Outcome:
    """Play a whole plan and end the response, unless a step has ended it otherwise."""
    for one in steps:
        outcome = await one.play(exchange)
        if outcome is not None:
            return outcome
    await exchange.end()
    return "complete"
