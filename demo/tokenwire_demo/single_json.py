"""A chat completion as one JSON object."""

import time
from dataclasses import replace
from typing import Any

from tokenwire_demo.chunks import UsageCounts, completion, encode_json
from tokenwire_demo.exchange import Exchange
from tokenwire_demo.reasoning import HIDDEN
from tokenwire_demo.tools import Call


class SingleJson(Exchange):
    """An answer as one JSON object (`"stream": false`), written at the end."""

    _finish_reason: str | None = None
    _usage: UsageCounts | None = None

    def __init__(self, **collaborators: Any) -> None:
        super().__init__(**collaborators)
        self._fields: dict[str, list[str]] = {}
        self._called: list[Call] = []

    @property
    def _texts(self) -> dict[str, str]:
        return {field: "".join(pieces) for field, pieces in self._fields.items()}

    def open(self) -> None:
        """Do nothing: the object is sent at the end."""

    def _add(self, field: str, token: str) -> None:
        self._fields.setdefault(field, []).append("" if field == HIDDEN else token)

    def _begin_call(self, call: Call, arguments: str) -> None:
        self._called.append(replace(call, arguments=arguments))

    def add_arguments(self, index: int, piece: str) -> None:
        """Add a piece of a call's arguments."""
        places = [at for at, call in enumerate(self._called) if call.index == index]
        for at in places[-1:]:
            call = self._called[at]
            self._called[at] = replace(call, arguments=call.arguments + piece)

    def _end_call(self, call: Call) -> None:
        """Do nothing: the object is sent at the end."""

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
        texts = self._texts
        texts.pop(HIDDEN, None)
        if "refusal" in texts or self._called:
            message["content"] = None
        calls = {"tool_calls": [call.as_json() for call in self._called]} if self._called else {}
        return completion(
            self._id,
            int(time.time()),
            self.request.model,
            message=message | texts | calls,
            finish_reason=self._finish_reason,
            usage=self._usage,
        )
