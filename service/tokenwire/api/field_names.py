"""Names the fields of requests in errors, by the names that another protocol has for them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NAMES_IN_MESSAGE: Final = {
    "parts": "content",
    "reasoning": "reasoning_content",
    "state": "encrypted_content",
}
"""The fields of a message by their names in openai.Turn."""
PARAMS: Final = "params."
IN_MESSAGES: Final = re.compile(r"(?:parts|history)\[.*")
IN_TURN: Final = re.compile(r"history\[(\d+)\](?:\.(.+))?")
IN_TOOL: Final = re.compile(r"(tools\[\d+\])\.(name|description|parameters|strict)")
IN_CALL: Final = re.compile(r"(tool_calls\[\d+\])\.(name|arguments|state)")


@dataclass(frozen=True, slots=True)
class FieldNames:
    """The names of fields in a protocol whose messages, tools and calls are those of OpenAI's API.

    Attributes:
        names: Those that differ, by their paths in openai.Message.
    """

    names: Mapping[str, str]

    def field_name(self, path: str) -> str:
        """Return the name of a field of a request.

        Args:
            path: Its path in openai.Message, or a name of the protocol, which is returned
                unchanged.
        """
        if path in self.names:
            return self.names[path]
        if IN_MESSAGES.fullmatch(path):
            return "messages"
        if tool := IN_TOOL.fullmatch(path):
            return f"{tool[1]}.function.{tool[2]}"
        return path.removeprefix(PARAMS)


@dataclass(frozen=True, slots=True)
class MessagePlaces:
    """Where the messages of one request are in the openai.Message that is made of it.

    Attributes:
        fields: The names of the other fields.
        first: The index of the message that is the first turn of the history.
        last: The index of the message that is the content; None if there is none.
        has_parts: Whether that message has images, audio or files.
    """

    fields: FieldNames
    first: int
    last: int | None
    has_parts: bool

    def field_name(self, path: str) -> str:
        """Return the name of a field, with the index of the message."""
        if turn := IN_TURN.fullmatch(path):
            return f"messages[{int(turn[1]) + self.first}].{_in_message(turn[2] or 'content')}"
        # An upstream that rejects `parts` can mean those of the history.
        is_in_last = path == "content" or (self.has_parts and path.startswith("parts"))
        if self.last is not None and is_in_last:
            return f"messages[{self.last}].content"
        return self.fields.field_name(path)


def _in_message(path: str) -> str:
    if call := IN_CALL.fullmatch(path):
        name = call[2]
        return "encrypted_content" if name == "state" else f"{call[1]}.function.{name}"
    head = path.partition("[")[0]
    return NAMES_IN_MESSAGE.get(head, path)
