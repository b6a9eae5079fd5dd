"""Encodes what an upstream needs back as the text of `encrypted_content`.

openai.Chatgpt returns it in two fields, `Answer.state` and `ToolCall.state`. Here it has one, which
clients join from all chunks of an answer. So the text is a sequence of entries, each with an end.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import msgspec

from tokenwire.api.chatgpt.tools import MAX_TOOL_CALLS
from tokenwire.core.errors import InvalidParameter

END: Final = "."
"""Ends an entry; base64 does not have it."""
ANSWER: Final = ""
"""In place of a tool call's id: the entry belongs to the whole answer."""
MAX_ENTRIES: Final = MAX_TOOL_CALLS + 1
"""The most entries of a text: one for each tool call of an answer, and one for the answer."""
RULE: Final = "must be the `encrypted_content` of an answer, unchanged"

Entry: TypeAlias = tuple[str, bytes]
"""The id of a tool call, or ANSWER, and a state."""
_decode_entry: Final = msgspec.msgpack.Decoder(Entry).decode


def encode_states(entries: Iterable[Entry]) -> str:
    """Return the text for the states of an answer and of its tool calls.

    Args:
        entries: Each state with the id of its tool call, or with ANSWER. Empty ones are left out.
    """
    return "".join(
        b64encode(msgspec.msgpack.encode(entry)).decode() + END for entry in entries if entry[1]
    )


def decode_states(text: str, field: str) -> Mapping[str, bytes]:
    """Return the states in a text, by the id of the tool call, or ANSWER.

    Args:
        text: The text; may be empty.
        field: Its path in the request.

    Raises:
        InvalidParameter: The text is not one that `encode_states` has returned.
    """
    if text.count(END) > MAX_ENTRIES:
        raise InvalidParameter(field, RULE)
    *entries, rest = text.split(END)
    if rest:
        raise InvalidParameter(field, RULE)
    try:
        return dict(_decode_entry(b64decode(entry, validate=True)) for entry in entries)
    except (ValueError, msgspec.MsgspecError):
        raise InvalidParameter(field, RULE) from None
