"""The steps of a plan."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum, auto
from typing import Annotated, Any, ClassVar, TypeVar

from tokenwire_demo.exchange import Exchange
from tokenwire_demo.log import Outcome
from tokenwire_demo.request import CompletionRequest

Seconds = Annotated[float, "SECONDS"]
Size = Annotated[int, "SIZE"]
"""A number of bytes, written in a plan as `300`, `64kB`, `10MB` or `2GB` (powers of 1000)."""


class Kind(Enum):
    """The position of a step in a plan."""

    SETTING = auto()
    """Sends nothing; allowed anywhere."""
    OPENING = auto()
    """Sends the status and the headers; allowed only before other data."""
    BODY = auto()
    """Sends a part of the body, after the default headers if none are sent yet."""
    ENDING = auto()
    """Ends the response; no step may follow."""
    WHOLE = auto()
    """Sends a complete response: OPENING and ENDING."""


class Step(ABC):
    """A step. Subclasses are frozen dataclasses whose fields are the arguments.

    The first line of a subclass's docstring is the description in the documentation.
    """

    keyword: ClassVar[str]
    kind: ClassVar[Kind]
    needs_stream: ClassVar[bool]
    needs_chunks: ClassVar[bool]

    def check(self, request: CompletionRequest) -> None:
        """Check that the step suits a request, which by default it does.

        Raises:
            RequestError: It does not.
        """
        del request

    @abstractmethod
    async def play(self, exchange: Any) -> Outcome | None:
        """Execute the step.

        Args:
            exchange: An `EventStream` if the step needs one, otherwise any `Exchange`.

        Returns:
            The outcome of the request if this step ends it; None to continue with the next step.
        """


STEPS: dict[str, type[Step]] = {}
"""The steps by their names, in the order of the documentation."""

_StepType = TypeVar("_StepType", bound=type[Step])


def step(
    keyword: str, kind: Kind, *, needs_stream: bool = False, needs_chunks: bool = False
) -> Callable[[_StepType], _StepType]:
    """Return a decorator that registers a step under its keyword.

    Args:
        keyword: The keyword.
        kind: The position in a plan.
        needs_stream: Whether the request must ask for a stream.
        needs_chunks: Whether only a stream of a chat completion has what the step sends.
    """

    def register(cls: _StepType) -> _StepType:
        cls.keyword, cls.kind = keyword, kind
        cls.needs_stream, cls.needs_chunks = needs_stream, needs_chunks
        STEPS[keyword] = cls
        return cls

    return register


async def play(steps: tuple[Step, ...], exchange: Exchange) -> Outcome:
    """Execute all steps, then end the response unless a step has ended it."""
    for one in steps:
        outcome = await one.play(exchange)
        if outcome is not None:
            return outcome
    await exchange.end()
    return "complete"
