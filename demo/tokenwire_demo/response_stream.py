"""Answers in the form of OpenAI's responses API. The steps of a plan act on them."""

import time
from typing import Any

from tokenwire_demo.chunks import ErrorPayload, UsageCounts
from tokenwire_demo.exchange import EventStream, SingleJson
from tokenwire_demo.response_events import (
    ResponseEncoder,
    call_item,
    ending,
    error_fields,
    message_item,
    reasoning_item,
    response_object,
    response_usage,
    text_part,
)

MAX_KEPT_LENGTH = 1_000_000
"""The most characters of an item that its end repeats. A plan may send text without an end."""

_PARTS = {"content": "output_text", "refusal": "refusal"}


class ResponseStream(EventStream):
    """A response as server-sent events.

    It has no `[DONE]`: the last event has the whole response. A plan sends it with `done`, or where
    it ends after `finish`.
    """

    _created: int | None = None
    _part: str | None = None
    _reason: str | None = None
    _usage: UsageCounts | None = None
    _ended = False

    def __init__(self, **collaborators: Any) -> None:
        super().__init__(**collaborators)
        self._events = ResponseEncoder()
        self._output: list[dict[str, object]] = []
        self._texts: list[str] = []
        self._length = 0

    def open(self) -> None:
        """Send the headers and the first events, as OpenAI does."""
        self.open_stream()
        if self._created is None:
            self._created = int(time.time())
            for kind in ("created", "in_progress"):
                self._send(f"response.{kind}", response=self._response("in_progress"))

    def _send(self, kind: str, **fields: object) -> None:
        self.reply.add_event(self._events.event(kind, **fields))

    def _response(self, status: str, **fields: object) -> dict[str, object]:
        return response_object(self._id, self._created or 0, self.request.model, status, **fields)

    @property
    def _item_id(self) -> str:
        return f"item-{len(self._output)}-of-{self._id}"

    def _begin_part(self, field: str) -> str:
        """Begin the item and the part of a field, unless they have begun; return the part."""
        part = _PARTS.get(field, "reasoning")
        if part == self._part:
            return part
        self._complete_item()
        self._part = part
        index, item_id = len(self._output), self._item_id
        if part == "reasoning":
            item = reasoning_item(item_id, [])
            self._send("response.output_item.added", output_index=index, item=item)
            self._send(
                "response.reasoning_summary_part.added",
                item_id=item_id,
                output_index=index,
                summary_index=0,
                part={"type": "summary_text", "text": ""},
            )
            return part
        item = message_item(item_id, "in_progress", [])
        self._send("response.output_item.added", output_index=index, item=item)
        self._send("response.content_part.added", **self._places, part=text_part(part, ""))
        return part

    @property
    def _places(self) -> dict[str, Any]:
        content = {"item_id": self._item_id, "output_index": len(self._output)}
        return content | {"summary_index" if self._part == "reasoning" else "content_index": 0}

    def _kind(self) -> str:
        return {
            "reasoning": "response.reasoning_summary_text",
            "output_text": "response.output_text",
            "refusal": "response.refusal",
        }[self._part or "output_text"]

    def _add(self, field: str, token: str) -> None:
        self._begin_part(field)
        if self._length < MAX_KEPT_LENGTH:
            self._texts.append(token)
            self._length += len(token)
        self.reply.add_event(self._events.delta(f"{self._kind()}.delta", token, **self._places))

    def around_text(self) -> tuple[bytes, bytes]:
        """Return the bytes before and after the text of a delta, for text of any size."""
        self.open()
        self._begin_part("content")
        before, after = self._events.around("response.output_text.delta", **self._places)
        return before + b',"delta":"', b'"' + after

    def tool_call(self, call: dict[str, Any]) -> None:
        """Add a function call."""
        self.open()
        self._complete_item()
        index, item_id = len(self._output), self._item_id
        places = {"item_id": item_id, "output_index": index}
        function = call["function"]
        begun = {**call, "function": {**function, "arguments": ""}}
        item = call_item(item_id, "in_progress", begun)
        self._send("response.output_item.added", output_index=index, item=item)
        self.reply.add_event(
            self._events.delta(
                "response.function_call_arguments.delta", function["arguments"], **places
            )
        )
        self._send(
            "response.function_call_arguments.done", **places, arguments=function["arguments"]
        )
        self._finish_item(call_item(item_id, "completed", call))

    def _complete_item(self) -> None:
        part, text = self._part, "".join(self._texts)
        if part is None:
            return
        name = "refusal" if part == "refusal" else "text"
        self._send(f"{self._kind()}.done", **self._places, **{name: text})
        if part == "reasoning":
            item = reasoning_item(self._item_id, [text])
        else:
            content = text_part(part, text)
            self._send("response.content_part.done", **self._places, part=content)
            item = message_item(self._item_id, "completed", [content])
        self._part, self._texts, self._length = None, [], 0
        self._finish_item(item)

    def _finish_item(self, item: dict[str, object]) -> None:
        self._send("response.output_item.done", output_index=len(self._output), item=item)
        self._output.append(item)

    def error(self, error: ErrorPayload, *, named: bool) -> None:
        """Add an event that reports an error; its name is always `error`."""
        del named
        self.open_stream()
        self._send("error", **error_fields(error))

    def finish(self, reason: str) -> None:
        """End the last item; the last event follows with `done`."""
        self.open()
        self._complete_item()
        self._reason = reason

    def usage(self, usage: UsageCounts) -> None:
        """Store the usage, which the last event has."""
        self._usage = usage

    def done(self) -> None:
        """Add the last event, if the response has finished."""
        if self._reason is None or self._ended:
            return
        self._ended = True
        status, fields = ending(self._reason)
        usage = response_usage(self._usage) if self._usage else None
        whole = self._response(status, output=self._output, usage=usage, **fields)
        self._send(f"response.{status}", response=whole)

    async def end(self) -> None:
        """Add the last event, and end the body of the response."""
        self.done()
        await super().end()


class ResponseJson(SingleJson):
    """A response as one JSON object (`"stream": false`), written at the end."""

    def _object(self) -> dict[str, object]:
        """Return the object."""
        output: list[dict[str, object]] = []
        for field, text in self._texts.items():
            item_id = f"item-{len(output)}-of-{self._id}"
            if field in _PARTS:
                part = text_part(_PARTS[field], text)
                output.append(message_item(item_id, "completed", [part]))
            else:
                output.append(reasoning_item(item_id, [text]))
        status, fields = ending(self._finish_reason or "")
        usage = response_usage(self._usage) if self._usage else None
        model = self.request.model
        return response_object(
            self._id, int(time.time()), model, status, output=output, usage=usage, **fields
        )
