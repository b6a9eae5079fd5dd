"""What happens between this service and its upstream for one answer.

The model side notes it as it goes, without knowing whose answer it is; who
asked reads it at the end.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Exchange:
    """The record of one answer's requests to the upstream.

    Times are readings of `time.monotonic`, in seconds; 0 means not yet, or not known.

    Attributes:
        asked: When the model was asked.
        sent: When the first request was handed to the HTTP client.
        read: When the bytes that brought the first text had been read.
        begun: Whether the first text has reached who asked.
        retries: Why requests were repeated: the reasons of the failures before.
    """

    asked: float = 0.0
    sent: float = 0.0
    read: float = 0.0
    begun: bool = False
    retries: list[str] = field(default_factory=list)


current: ContextVar[Exchange] = ContextVar("exchange")
"""The record that the running task fills."""


def noted() -> Exchange:
    """Return the current record, or one that nobody reads."""
    return current.get(None) or Exchange()
