"""A chat completion as server-sent events."""

import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from tokenwire_demo.chunks import DONE, ChunkEncoder, ErrorPayload, UsageCounts, encode_json, event
from tokenwire_demo.exchange import Exchange
from tokenwire_demo.reasoning import HIDDEN
from tokenwire_demo.tools import Call

_EVENT_STREAM: Final = "text/event-stream; charset=utf-8"


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
        if field == HIDDEN:
            return
        encoder = self.encoder
        self.reply.add_event(
            encoder.text(token) if field == "content" else encoder.delta({field: token})
        )

    def around_text(self) -> tuple[bytes, bytes]:
        """Return the bytes before and after the text of a delta, for text of any size."""
        self.open()
        return self.encoder.around_text()

    def _begin_call(self, call: Call, arguments: str) -> None:
        self._add_call({"index": call.index, **call.as_json(arguments)})

    def add_arguments(self, index: int, piece: str) -> None:
        """Add a delta with a piece of a call's arguments."""
        self.open()
        self._add_call({"index": index, "function": {"arguments": piece}})

    def _end_call(self, call: Call) -> None:
        """Do nothing: the finish reason ends all calls."""

    def _add_call(self, call: dict[str, Any]) -> None:
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
