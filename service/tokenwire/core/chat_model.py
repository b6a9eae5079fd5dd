"""What answers requests, whatever it is."""

from typing import Protocol

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import AnswerStream, ChatRequest


class ChatModel(Protocol):
    """A language model, or what stands before one."""

    def stream(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        """Stream the answer to `request`.

        Args:
            request: What to answer.
            call: The record of the call that it is for. `attempts.asked` is set.

        Raises:
            ServiceError: While iterating, when the answer cannot be completed.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections to the upstream."""
        ...
