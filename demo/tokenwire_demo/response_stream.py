"""Answers in the form of OpenAI's responses API. The steps of a plan act on them."""

import time
from typing import Any

from tokenwire_demo.chunks import ErrorPayload, UsageCounts
from tokenwire_demo.event_stream import EventStream
from tokenwire_demo.reasoning import HIDDEN
from tokenwire_demo.response_events import (
    ResponseEncoder,
    call_item,
    ended_response,
    error_fields,
    message_item,
    reasoning_item,
    response_object,
    text_part,
)
from tokenwire_demo.single_json import SingleJson
from tokenwire_demo.tools import Call

MAX_KEPT_LENGTH = 1_000_000
"""The most characters of an item that its end repeats. A plan may send text without an end."""

_PARTS = {"content": "output_text", "refusal": "refusal", HIDDEN: HIDDEN}


def _item_id(place: int, response_id: str) -> str:
    return f"item-{place}-of-{response_id}"


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
        self._call_places: dict[int, int] = {}

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

    def _begin_part(self, field: str) -> str:
        """Begin the item and the part of a field, unless they have begun; return the part."""
        part = _PARTS.get(field, "reasoning")
        if part == self._part:
            return part
        self._complete_item()
        self._part = part
        index = len(self._output)
        item_id = _item_id(index, self._id)
        if part in ("reasoning", HIDDEN):
            item = reasoning_item(item_id, [])
            self._send("response.output_item.added", output_index=index, item=item)
            if part == HIDDEN:
                return part
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
        place = len(self._output)
        content = {"item_id": _item_id(place, self._id), "output_index": place}
        return content | {"summary_index" if self._part == "reasoning" else "content_index": 0}

    def _kind(self) -> str:
        return {
            "reasoning": "response.reasoning_summary_text",
            "output_text": "response.output_text",
            "refusal": "response.refusal",
        }[self._part or "output_text"]

    def _add(self, field: str, token: str) -> None:
        if self._begin_part(field) == HIDDEN:
            return
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

    def _begin_call(self, call: Call, arguments: str) -> None:
        self._complete_item()
        # Calls that a plan gives the same index get the same place.
        place = self._call_places.setdefault(call.index, len(self._output))
        item = call_item(_item_id(place, self._id), "in_progress", call, "")
        self._send("response.output_item.added", output_index=place, item=item)
        if arguments:
            self.add_arguments(call.index, arguments)

    def add_arguments(self, index: int, piece: str) -> None:
        """Add a piece of a call's arguments."""
        self.open()
        kind = "response.function_call_arguments.delta"
        self.reply.add_event(self._events.delta(kind, piece, **self._call_place(index)))

    def _call_place(self, index: int) -> dict[str, Any]:
        place = self._call_places.get(index, index)
        return {"item_id": _item_id(place, self._id), "output_index": place}

    def _end_call(self, call: Call) -> None:
        place = self._call_place(call.index)
        self._send("response.function_call_arguments.done", **place, arguments=call.arguments)
        item = call_item(place["item_id"], "completed", call, call.arguments)
        self._finish_item(item, place["output_index"])

    def _complete_item(self) -> None:
        part, text = self._part, "".join(self._texts)
        if part is None:
            return
        place = len(self._output)
        item_id = _item_id(place, self._id)
        if part == HIDDEN:
            self._part = None
            self._finish_item(reasoning_item(item_id, []), place)
            return
        name = "refusal" if part == "refusal" else "text"
        self._send(f"{self._kind()}.done", **self._places, **{name: text})
        if part == "reasoning":
            item = reasoning_item(item_id, [text])
        else:
            content = text_part(part, text)
            self._send("response.content_part.done", **self._places, part=content)
            item = message_item(item_id, "completed", [content])
        self._part, self._texts, self._length = None, [], 0
        self._finish_item(item, place)

    def _finish_item(self, item: dict[str, object], place: int) -> None:
        self._send("response.output_item.done", output_index=place, item=item)
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
        whole = ended_response(
            self._id,
            self._created or 0,
            self.request.model,
            finish_reason=self._reason,
            output=self._output,
            usage=self._usage,
        )
        self._send(f"response.{whole['status']}", response=whole)

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
            item_id = _item_id(len(output), self._id)
            if field == HIDDEN:
                output.append(reasoning_item(item_id, []))
            elif field in _PARTS:
                part = text_part(_PARTS[field], text)
                output.append(message_item(item_id, "completed", [part]))
            else:
                output.append(reasoning_item(item_id, [text]))
        for call in self._called:
            item_id = _item_id(len(output), self._id)
            output.append(call_item(item_id, "completed", call, call.arguments))
        return ended_response(
            self._id,
            int(time.time()),
            self.request.model,
            finish_reason=self._finish_reason or "",
            output=output,
            usage=self._usage,
        )
