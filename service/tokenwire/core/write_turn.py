"""When a call may write to its caller."""

from typing import Protocol


class WriteTurn(Protocol):
    """The turn of one call to write one message.

    Take it before the tokens of a message are read: then the message has all tokens that have
    arrived while the call waited for its turn.

    Attributes:
        taken: Whether the call has the turn. The write ends it.
    """

    taken: bool

    def must_wait(self) -> bool:
        """Take the turn and return False, or return True if the call must await `wait`."""
        ...

    async def wait(self) -> None:
        """Wait for the turn and take it."""
        ...
