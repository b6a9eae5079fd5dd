"""The interface of language models."""

from typing import Protocol

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import AnswerStream, ChatRequest


class ChatModel(Protocol):
    """A language model, or a wrapper around one."""

    def stream(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        """Stream the answer to `request`.

        Args:
            request: The request to answer.
            call: The record of the call. The caller has set `attempts.started`.

        Raises:
            ServiceError: The answer cannot be completed. Raised during iteration.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections to the upstream."""
        ...
