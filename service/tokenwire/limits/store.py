"""The interface of stores that several processes share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tokenwire.core.limits import CallerLimits
from tokenwire.limits.entries import LeaseEntry, LimitRefusal
from tokenwire.observability.metrics.labels import StoreFailureCause


class StoreError(Exception):
    """The store does not answer, or not as it should.

    Args:
        cause: The kind of failure.
    """

    def __init__(self, cause: StoreFailureCause) -> None:
        super().__init__(cause.value)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries of one caller.

    Attributes:
        caller: The caller's name.
        limits: Its limits.
        entries: The entries, which are applied one after the other.
    """

    caller: str
    limits: CallerLimits
    entries: Sequence[LeaseEntry]


@dataclass(frozen=True, slots=True)
class StoreReply:
    """What a store answers to a batch.

    Attributes:
        refusals: A refusal, or None, for each entry.
        used: What is used and held of each limit of the caller, by its name, in calls, tokens or
            nanodollars.
    """

    refusals: Sequence[LimitRefusal | None]
    used: Mapping[str, int]


class SharedStore(Protocol):
    """Counts the limits of callers for several processes."""

    async def apply(self, batches: Sequence[Batch]) -> list[StoreReply]:
        """Apply batches, each as a whole.

        Returns:
            The reply to each batch.

        Raises:
            StoreError: Some batches may have been applied. They can be sent again.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
