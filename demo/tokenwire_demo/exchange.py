"""The state of one answer. The steps of a plan act on it."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from tokenwire_demo.answer import Answer, compose, count_tokens
from tokenwire_demo.barrier import Barrier
from tokenwire_demo.chunks import (
    DONE,
    ChunkEncoder,
    ErrorPayload,
    UsageCounts,
    completion,
    encode_json,
    event,
)
from tokenwire_demo.log import RequestRecord
from tokenwire_demo.pace import Pace
from tokenwire_demo.reply import Reply
from tokenwire_demo.request import CompletionRequest

_EVENT_STREAM = "text/event-stream; charset=utf-8"


class Exchange(ABC):
    """A request, its answer and its response.

    Args:
        request: The request.
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
        self.answer: Answer = compose(request)
        self._record = record
        self._id = completion_id
        self._next_token = 0
        self._reasoning_tokens = 0

    @property
    def usage_so_far(self) -> UsageCounts:
        """The actual usage so far."""
        return UsageCounts(
            prompt=count_tokens(self.request.texts),
            completion=self._record.tokens_sent + self._reasoning_tokens,
            reasoning=self._reasoning_tokens,
        )

    def next_tokens(self, count: int | None = None) -> tuple[str, ...]:
        """Return and consume the next `count` tokens of the answer, or all remaining ones."""
        start = self._next_token
        self._next_token = len(self.answer.tokens) if count is None else start + count
        return self.answer.tokens[start : self._next_token]

    async def send_tokens(self, tokens: Iterable[str], field: str = "content") -> None:
        """Send tokens at the pace, as a field of the message."""
        self.open()
        for token in tokens:
            wait = self.pace.seconds_to_wait()
            if wait > 0 or self.pace.paced:
                await self.reply.flush_pending()
                # Yields even if the token is late, because many late answers would starve others.
                await asyncio.sleep(max(wait, 0))
            self._add(field, token)
            if field in ("content", "refusal"):
                self._record.tokens_sent += 1
            else:
                self._reasoning_tokens += 1
            await (self.reply.flush_pending() if self.pace.paced else self.reply.flush_if_due())

    @abstractmethod
    def open(self) -> None:
        """Begin the response as OpenAI does, unless it has begun."""

    @abstractmethod
    def _add(self, field: str, token: str) -> None:
        """Add a token to the response."""

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


class EventStream(Exchange):
    """An answer as server-sent events (`"stream": true`)."""

    _role_sent = False

    @cached_property
    def encoder(self) -> ChunkEncoder:
        """The encoder of this answer's chunks."""
        return ChunkEncoder(
            self._id,
            int(time.time()),
            self.request.model,
            include_usage=self.request.include_usage,
        )

    def open_stream(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Begin the response without an event, unless it has begun."""
        if not self.reply.opened:
            self.reply.open(status, {"content-type": _EVENT_STREAM, **(headers or {})})

    def open(self) -> None:
        """Send the headers and the role, as OpenAI does."""
        self.open_stream()
        if not self._role_sent:
            self._role_sent = True
            self.reply.add_event(self.encoder.delta({"role": "assistant", "content": ""}))

    def _add(self, field: str, token: str) -> None:
        encoder = self.encoder
        self.reply.add_event(
            encoder.text(token) if field == "content" else encoder.delta({field: token})
        )

    def around_text(self) -> tuple[bytes, bytes]:
        """Return the bytes before and after the text of a delta, for text of any size."""
        self.open()
        return self.encoder.around_text()

    def tool_call(self, call: dict[str, Any]) -> None:
        """Add a delta with a call, as a chat completion has it."""
        self.open()
        self.reply.add_event(self.encoder.delta({"tool_calls": [call]}))

    def error(self, error: ErrorPayload, *, named: bool) -> None:
        """Add an event that reports an error.

        Args:
            error: The error.
            named: Whether the event has the name `error`.
        """
        self.open_stream()
        name = b"event: error\n" if named else b""
        self.reply.add_event(name + event(encode_json(error.as_json())))

    def event(self, event: bytes) -> None:
        """Add an event."""
        self.open_stream()
        self.reply.add_event(event)

    def finish(self, reason: str) -> None:
        """Add the chunk with the finish reason."""
        self.open()
        self.reply.add_event(self.encoder.finish(reason))

    def usage(self, usage: UsageCounts) -> None:
        """Add the chunk with the usage."""
        self.event(self.encoder.usage(usage))

    def done(self) -> None:
        """Add `data: [DONE]`."""
        self.event(DONE)


class SingleJson(Exchange):
    """An answer as one JSON object (`"stream": false`), written at the end."""

    _finish_reason: str | None = None
    _usage: UsageCounts | None = None

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {}

    def open(self) -> None:
        """Do nothing: the object is sent at the end."""

    def _add(self, field: str, token: str) -> None:
        self._texts[field] = self._texts.get(field, "") + token

    def finish(self, reason: str) -> None:
        """Store the finish reason."""
        self._finish_reason = reason

    def usage(self, usage: UsageCounts) -> None:
        """Store the usage."""
        self._usage = usage

    def done(self) -> None:
        """Do nothing: the end of the object is the end of the answer."""

    async def end(self) -> None:
        """Write the object, unless a step has begun another response."""
        if self.reply.opened:
            await self.reply.end()
            return
        body = encode_json(self._object())
        self.reply.open(headers={"content-type": "application/json"}, length=len(body))
        self.reply.add(body)
        await self.reply.end()

    def _object(self) -> dict[str, object]:
        """Return the object."""
        message: dict[str, object] = {"role": "assistant", "content": "", "refusal": None}
        if "refusal" in self._texts:
            message["content"] = None
        return completion(
            self._id,
            int(time.time()),
            self.request.model,
            message=message | self._texts,
            finish_reason=self._finish_reason,
            usage=self._usage,
        )
