"""Repeats failed requests, seldom enough never to make an outage worse."""

import asyncio
import random
from contextlib import aclosing
from typing import Final

from tokenwire.core import errors
from tokenwire.core.call_record import CallRecord
from tokenwire.core.chat_model import ChatModel
from tokenwire.core.domain import AnswerStream, ChatRequest
from tokenwire.routing.blame import blamed

REPEATED: Final = (
    errors.UpstreamUnreachable,
    errors.UpstreamConflict,
    errors.UpstreamRateLimited,
)
"""Failures that a repetition may cure, beside an UpstreamError itself (5xx).

A timeout is none of them: the time that a repetition needs is spent."""

BACKOFF_SECONDS: Final = 0.1
MOST_WAIT_SECONDS: Final = 2.0
"""A longer wait is the caller's: here it would hold a slot that others could have."""
COST: Final = 10
"""Calls that pay for one repetition: at most 10 % extra upstream calls."""
MOST_SAVED: Final = 10 * COST


class RetryBudget:
    """Calls pay in, repetitions draw; it starts empty."""

    def __init__(self) -> None:
        self._saved = 0

    def pay_in(self) -> None:
        """Count a call."""
        self._saved = min(self._saved + 1, MOST_SAVED)

    def draw(self) -> bool:
        """Take what a repetition costs, or return False if there is too little."""
        if self._saved < COST:
            return False
        self._saved -= COST
        return True


class RetryingModel:
    """Repeats a request once if it fails before its first token.

    A failure that the caller has caused is raised as the caller's.

    Args:
        model: Gets the requests.
        first_token_seconds: From the moment the model is asked to the first token.
    """

    def __init__(self, model: ChatModel, first_token_seconds: float) -> None:
        self._model = model
        self._first_token_seconds = first_token_seconds
        self._budget = RetryBudget()

    async def stream(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        """Stream the answer to `request`; see `chat_model.ChatModel`."""
        self._budget.pay_in()
        set_by_caller = request.set_by_caller
        begun = False
        try:
            async with aclosing(self._model.stream(request, call)) as answer:
                async for event in answer:
                    if not begun:
                        begun = True
                        # It will not be repeated, and an answer can take long.
                        request = ChatRequest("", request.model)
                    yield event
        except errors.ServiceError as error:
            delay = _delay(error)
            if begun or delay is None or not self._can_repeat(delay, call):
                raise blamed(error, set_by_caller) from None
            call.attempts.add_retry(error.reason, delay)
        else:
            return
        await asyncio.sleep(delay)
        try:
            async with aclosing(self._model.stream(request, call)) as answer:
                async for event in answer:
                    yield event
        except errors.ServiceError as error:
            raise blamed(error, set_by_caller) from None

    async def aclose(self) -> None:
        """Close the model."""
        await self._model.aclose()

    def _can_repeat(self, delay: float, call: CallRecord) -> bool:
        first_token_by = call.attempts.asked + self._first_token_seconds
        limit = min(first_token_by, call.deadline.end, call.callers_deadline)
        in_time = asyncio.get_running_loop().time() + delay < limit
        return in_time and self._budget.draw()


def _delay(error: errors.ServiceError) -> float | None:
    """Return the seconds to wait before a repetition, or None if none makes sense."""
    if not isinstance(error, REPEATED) and type(error) is not errors.UpstreamError:
        return None
    wait = error.retry_after or 0.0
    if wait > MOST_WAIT_SECONDS:
        return None
    # Jitter keeps callers who failed together from coming back together.
    backoff = BACKOFF_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
    return max(backoff, wait)
