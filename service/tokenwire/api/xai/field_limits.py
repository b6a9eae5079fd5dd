"""The limits on the fields of a request."""

from typing import Final

from tokenwire.api.chatgpt.field_limits import FieldCounts
from tokenwire.api.chatgpt.parts import MAX_PARTS
from tokenwire.api.chatgpt.sampling import MAX_STOPS
from tokenwire.api.chatgpt.tools import MAX_TOOL_CALLS, MAX_TOOLS
from tokenwire.xai.v1 import xai_pb2 as pb

OUTSIDE_OF_HISTORY: Final = 2
"""The system prompt and the message to answer."""
INLINE: Final = frozenset({"xai_api.FileContent.data", "xai_api.ImageUrlContent.image_url"})
"""The fields with inline data."""
FIELDS_PER_MESSAGE: Final = 6


def completion_limits(max_turns: int, max_text_bytes: int) -> FieldCounts:
    """Return the limits on the fields of a GetCompletionsRequest.

    Args:
        max_turns: The most turns of a history.
        max_text_bytes: The most bytes of a request without its inline data.
    """
    max_messages = max_turns + OUTSIDE_OF_HISTORY
    lists = {
        "messages": max_messages,
        "messages.content": MAX_PARTS,
        "messages.tool_calls": MAX_TOOL_CALLS,
        "stop": MAX_STOPS,
        "tools": MAX_TOOLS,
    }
    return FieldCounts(
        pb.GetCompletionsRequest.DESCRIPTOR,
        lists,
        inline=INLINE,
        max_fields=FIELDS_PER_MESSAGE * max_messages,
        max_text_bytes=max_text_bytes,
    )
