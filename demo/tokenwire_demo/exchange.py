"""The state of one answer. The steps of a plan act on it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence

from tokenwire_demo.answer import Answer, Token, call_tokens, count_tokens, tokenize
from tokenwire_demo.barrier import Barrier
from tokenwire_demo.chunks import UsageCounts
from tokenwire_demo.log import RequestRecord
from tokenwire_demo.pace import Pace
from tokenwire_demo.reply import Reply
from tokenwire_demo.request import CompletionRequest
from tokenwire_demo.tools import Call


class Exchange(ABC):
    """A request, its answer and its response.

    Args:
        request: The request.
        answer: The regular answer to it.
        reply: The HTTP response.
        record: The request's entry in the log.
        pace: Determines when each token is due.
        completion_id: The id of the answer.
        barrier: Returns a barrier by its name.
    """

    def __init__(  # noqa: PLR0913 - the collaborators of one request
        self,
        *,
        request: CompletionRequest,
        answer: Answer,
        reply: Reply,
        record: RequestRecord,
        pace: Pace,
        completion_id: str,
        barrier: Callable[[str], Barrier],
    ) -> None:
        self.request = request
        self.reply = reply
        self.pace = pace
        self.barrier = barrier
        self.answer = answer
        self._record = record
        self._id = completion_id
        self._next_token = 0
        self._reasoning_tokens = 0
        self._call_tokens = 0
        self._calls = 0

    @property
    def usage_so_far(self) -> UsageCounts:
        """The actual usage so far."""
        return UsageCounts(
            prompt=count_tokens(self.request.texts),
            completion=self._record.tokens_sent + self._reasoning_tokens + self._call_tokens,
            reasoning=self._reasoning_tokens,
        )

    @property
    def finish_reason(self) -> str:
        """The actual reason why the answer ends."""
        return "tool_calls" if self._calls else self.answer.finish_reason

    def next_tokens(self, count: int | None = None) -> tuple[Token, ...]:
        """Return and consume the next `count` tokens of the answer, or all remaining ones."""
        start = self._next_token
        self._next_token = len(self.answer.tokens) if count is None else start + count
        return self.answer.tokens[start : self._next_token]

    async def send_tokens(self, tokens: Iterable[Token]) -> None:
        """Send tokens at the pace, each as a field of the message."""
        self.open()
        for text, field in tokens:
            await self._wait_for_pace()
            self._add(field, text)
            if field in ("content", "refusal"):
                self._record.tokens_sent += 1
            else:
                self._reasoning_tokens += 1
            await (self.reply.flush_pending() if self.pace.paced else self.reply.flush_if_due())

    async def send_call(self, call: Call, pieces: Sequence[str] = ()) -> None:
        """Send a tool call, each piece at the pace.

        Args:
            call: The call.
            pieces: The pieces of its arguments after its beginning; none: the call is sent whole.
        """
        self.open()
        self._calls += 1
        self._call_tokens += call_tokens(call)
        await self._wait_for_pace()
        self._begin_call(call, "" if pieces else call.arguments)
        for piece in pieces:
            await self._wait_for_pace()
            self.add_arguments(call.index, piece)
            await (self.reply.flush_pending() if self.pace.paced else self.reply.flush_if_due())
        self._end_call(call)

    async def send_calls(self, calls: Iterable[Call]) -> None:
        """Send tool calls, their arguments in tokens."""
        for call in calls:
            await self.send_call(call, tokenize(call.arguments))

    async def _wait_for_pace(self) -> None:
        wait = self.pace.seconds_to_wait()
        if wait > 0 or self.pace.paced:
            await self.reply.flush_pending()
            # Yields even if the token is late, because many late answers would starve others.
            await asyncio.sleep(max(wait, 0))

    @abstractmethod
    def open(self) -> None:
        """Begin the response as OpenAI does, unless it has begun."""

    @abstractmethod
    def _add(self, field: str, token: str) -> None:
        """Add a token to the response; those of the field `HIDDEN` are not sent."""

    @abstractmethod
    def _begin_call(self, call: Call, arguments: str) -> None:
        """Add a call with the first of its arguments' text."""

    @abstractmethod
    def add_arguments(self, index: int, piece: str) -> None:
        """Add a piece of the arguments of the call with this index."""

    @abstractmethod
    def _end_call(self, call: Call) -> None:
        """Complete a call whose arguments are sent."""

    @abstractmethod
    def finish(self, reason: str) -> None:
        """Add the finish reason."""

    @abstractmethod
    def usage(self, usage: UsageCounts) -> None:
        """Add the usage."""

    @abstractmethod
    def done(self) -> None:
        """Mark the end of the stream."""

    async def end(self) -> None:
        """End the body of the response."""
        if not self.reply.opened:
            self.reply.open()
        await self.reply.end()
