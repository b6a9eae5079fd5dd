"""The used fields of the events of a responses stream."""

from typing import Any, Final

import msgspec


class TextEvent(msgspec.Struct, gc=False):
    """An event with a piece of text, and the position of the text.

    The decoder skips all other fields, so that these events, of which an answer has thousands,
    take as little as possible.
    """

    type: str
    delta: str
    item_id: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    logprobs: msgspec.Raw = msgspec.Raw()


TEXT_DELTA: Final = "response.output_text.delta"
REFUSAL_DELTA: Final = "response.refusal.delta"
REASONING_DELTAS: Final = (
    "response.reasoning_summary_text.delta",
    "response.reasoning_text.delta",
    # The name of an earlier version, which some servers still use.
    "response.reasoning_summary.delta",
    "response.reasoning.delta",
)
ARGUMENTS_DELTA: Final = "response.function_call_arguments.delta"
ARGUMENTS_DONE: Final = "response.function_call_arguments.done"
TEXT_DONE: Final = "response.output_text.done"
REFUSAL_DONE: Final = "response.refusal.done"
ANNOTATION: Final = "response.output_text.annotation.added"
ITEM_ADDED: Final = "response.output_item.added"
ITEM_DONE: Final = "response.output_item.done"
COMPLETED: Final = "response.completed"
INCOMPLETE: Final = "response.incomplete"
FAILED: Final = "response.failed"
CANCELLED: Final = "response.cancelled"
ERROR: Final = "error"
ENDINGS: Final = (COMPLETED, INCOMPLETE, FAILED, CANCELLED)

decode_text_event: Final = msgspec.json.Decoder(TextEvent).decode
"""Raises msgspec.ValidationError for every other event."""


def ending_of(response: dict[str, Any]) -> str:
    """Return the type of the event that ends a stream with this response."""
    ending = f"response.{response.get('status')}"
    return ending if ending in ENDINGS else COMPLETED
