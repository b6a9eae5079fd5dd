"""One chat completion being answered: what the steps of a plan act on."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

from tokenwire_demo.answer import Answer, compose, count_tokens
from tokenwire_demo.barrier import Barrier
from tokenwire_demo.chunks import DONE, ChunkEncoder, Usage, completion, encode_json
from tokenwire_demo.log import RequestRecord
from tokenwire_demo.pace import Pace
from tokenwire_demo.reply import Reply
from tokenwire_demo.request import ChatRequest

_EVENT_STREAM = "text/event-stream; charset=utf-8"


class Exchange(ABC):
    """One request, its answer, and the reply that carries it.

    Args:
        request: What was asked.
        reply: The HTTP response.
        record: The request's entry in the log.
        pace: When tokens are due.
        completion_id: The answer's id.
        barrier: Finds a barrier by its name.
    """

    def __init__(  # noqa: PLR0913 - the collaborators of one request
        self,
        *,
        request: ChatRequest,
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
    def usage_so_far(self) -> Usage:
        """What a truthful upstream would report at this point."""
        return Usage(
            prompt=count_tokens(self.request.texts),
            completion=self._record.tokens_sent + self._reasoning_tokens,
            reasoning=self._reasoning_tokens,
        )

    def next_tokens(self, count: int | None = None) -> tuple[str, ...]:
        """Take the answer's next tokens, or all that are left."""
        start = self._next_token
        self._next_token = len(self.answer.tokens) if count is None else start + count
        return self.answer.tokens[start : self._next_token]

    async def say(self, tokens: Iterable[str], field: str = "content") -> None:
        """Send tokens at the set pace, as this field of the message."""
        self.open()
        for token in tokens:
            wait = self.pace.seconds_to_wait()
            if wait > 0 or self.pace.paced:
                await self.reply.hurry()
                # A late token still lets others run, or many late answers starve them.
                await asyncio.sleep(max(wait, 0))
            self._add(field, token)
            if field in ("content", "refusal"):
                self._record.tokens_sent += 1
            else:
                self._reasoning_tokens += 1
            await (self.reply.hurry() if self.pace.paced else self.reply.relieve())

    @abstractmethod
    def open(self) -> None:
        """Begin the response as a well-behaved server does, unless it has begun."""

    @abstractmethod
    def _add(self, field: str, token: str) -> None:
        """Add one token to the response."""

    @abstractmethod
    def finish(self, reason: str) -> None:
        """Say why the answer ends."""

    @abstractmethod
    def usage(self, usage: Usage) -> None:
        """Report usage."""

    @abstractmethod
    def done(self) -> None:
        """Say that nothing more comes."""

    async def end(self) -> None:
        """End the response's body."""
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
        """Begin the response, unless it has begun, without any event."""
        if not self.reply.opened:
            self.reply.open(status, {"content-type": _EVENT_STREAM, **(headers or {})})

    def open(self) -> None:
        """Begin with the headers and the role, as OpenAI does."""
        self.open_stream()
        if not self._role_sent:
            self._role_sent = True
            self.reply.add_event(self.encoder.delta({"role": "assistant", "content": ""}))

    def _add(self, field: str, token: str) -> None:
        encoder = self.encoder
        self.reply.add_event(
            encoder.text(token) if field == "content" else encoder.delta({field: token})
        )

    def event(self, event: bytes) -> None:
        """Add an event of any kind."""
        self.open_stream()
        self.reply.add_event(event)

    def finish(self, reason: str) -> None:
        """Add the chunk with the finish reason."""
        self.open()
        self.reply.add_event(self.encoder.finish(reason))

    def usage(self, usage: Usage) -> None:
        """Add the chunk with the usage."""
        self.event(self.encoder.usage(usage))

    def done(self) -> None:
        """Add `data: [DONE]`."""
        self.event(DONE)


class SingleJson(Exchange):
    """An answer as one JSON object (`"stream": false`), written at the very end."""

    _finish_reason: str | None = None
    _usage: Usage | None = None

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {}

    def open(self) -> None:
        """Do nothing: there is nothing to send before the end."""

    def _add(self, field: str, token: str) -> None:
        self._texts[field] = self._texts.get(field, "") + token

    def finish(self, reason: str) -> None:
        """Keep the finish reason for the end."""
        self._finish_reason = reason

    def usage(self, usage: Usage) -> None:
        """Keep the usage for the end."""
        self._usage = usage

    def done(self) -> None:
        """Do nothing: the object's end says it."""

    async def end(self) -> None:
        """Write the object, unless a step has answered otherwise."""
        if self.reply.opened:
            await self.reply.end()
            return
        message: dict[str, object] = {"role": "assistant", "content": "", "refusal": None}
        if "refusal" in self._texts:
            message["content"] = None
        body = encode_json(
            completion(
                self._id,
                int(time.time()),
                self.request.model,
                message=message | self._texts,
                finish_reason=self._finish_reason,
                usage=self._usage,
            )
        )
        self.reply.open(headers={"content-type": "application/json"}, length=len(body))
        self.reply.add(body)
        await self.reply.end()
