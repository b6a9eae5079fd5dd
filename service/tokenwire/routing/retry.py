"""Retries failed requests within a budget, so that retries do not amplify an outage."""

import asyncio
import random
from contextlib import aclosing
from typing import Final

from tokenwire.core import errors
from tokenwire.core.call_record import CallRecord
from tokenwire.core.chat_model import ChatModel
from tokenwire.core.domain import AnswerStream, ChatRequest, Completion
from tokenwire.routing.blame import attribute
from tokenwire.routing.budget import RetryBudget

RETRIED: Final = (
    errors.UpstreamUnreachable,
    errors.UpstreamConflict,
    errors.UpstreamRateLimited,
)
"""Failures that are retried, in addition to UpstreamError itself.

Timeouts are not retried: as a rule no time is left for another request."""

BACKOFF_SECONDS: Final = 0.1
MAX_WAIT_SECONDS: Final = 2.0
"""The longest wait before a retry. If the upstream asks for more, the call fails and the caller
waits, because a waiting call would hold a slot that other calls could use."""


class RetryingModel:
    """A model that retries a request once if it fails before the first token.

    A failure that the caller caused is raised as a caller's error.

    Args:
        model: The model that receives the requests.
        first_token_seconds: The longest time from the call of the model to the first token,
            including the retry.
        budget: The budget, if it is shared.
    """

    def __init__(
        self, model: ChatModel, first_token_seconds: float, budget: RetryBudget | None = None
    ) -> None:
        self._model = model
        self._first_token_seconds = first_token_seconds
        self._budget = budget or RetryBudget()

    async def stream(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        """Stream the answer to `request`; see `chat_model.ChatModel`."""
        self._budget.deposit()
        set_by_caller = request.set_by_caller
        begun = False
        try:
            async with aclosing(self._model.stream(request, call)) as answer:
                async for event in answer:
                    # A report of progress is no part of the answer.
                    if not begun and (isinstance(event, Completion) or event.tokens):
                        begun = True
                        # Frees the prompt: the request is not retried any more, and the answer
                        # can take minutes.
                        request = ChatRequest("", request.model)
                    yield event
        except errors.ServiceError as error:
            delay = retry_delay(error)
            begun = begun or call.attempts.received
            if (
                begun
                or delay is None
                or not can_retry(delay, call, self._first_token_seconds, self._budget)
            ):
                raise attribute(error, set_by_caller) from None
            call.attempts.add_retry(error.reason, delay)
        else:
            return
        await asyncio.sleep(delay)
        try:
            async with aclosing(self._model.stream(request, call)) as answer:
                async for event in answer:
                    yield event
        except errors.ServiceError as error:
            raise attribute(error, set_by_caller) from None

    async def aclose(self) -> None:
        """Close the model."""
        await self._model.aclose()


def can_retry(
    delay: float, call: CallRecord, first_token_seconds: float, budget: RetryBudget
) -> bool:
    """Report whether a retry after `delay` seconds is in time, and pay for it if it is."""
    first_token_by = call.attempts.started + first_token_seconds
    limit = min(first_token_by, call.deadline.end, call.callers_deadline)
    return asyncio.get_running_loop().time() + delay < limit and budget.withdraw()


def retry_delay(error: errors.ServiceError) -> float | None:
    """Return the seconds to wait before a retry, or None if the failure is not retried."""
    if not isinstance(error, RETRIED) and type(error) is not errors.UpstreamError:
        return None
    wait = error.retry_after or 0.0
    if wait > MAX_WAIT_SECONDS:
        return None
    # Jitter spreads the retries of calls that failed at the same time.
    backoff = BACKOFF_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
    return max(backoff, wait)
