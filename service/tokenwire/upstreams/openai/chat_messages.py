"""The messages of a chat-completions request that hold more than text."""

from typing import Any, Final

from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.domain import Part, PartKind, Role, Turn
from tokenwire.core.json_pieces import Base64
from tokenwire.upstreams.openai.chat_state import call_state_fields, state_fields
from tokenwire.upstreams.openai.tool_fields import call_field

AUDIO_FORMATS: Final = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/mp4": "m4a",
}
"""The names of audio formats that differ from the subtype."""


def message_of(turn: Turn, codec: StateCodec) -> dict[str, Any]:
    """Return the message of a turn that has more than a text.

    Args:
        turn: The turn.
        codec: Decodes the turn's state and that of its tool calls.
    """
    content = _content(turn)
    if turn.role is Role.TOOL:
        return {"role": "tool", "content": content, "tool_call_id": turn.tool_call_id}
    if not turn.tool_calls:
        return {"role": turn.role.value, "content": content, **state_fields(codec, turn)}
    calls = [{**call_field(call), **call_state_fields(codec, call)} for call in turn.tool_calls]
    return {
        "role": "assistant",
        # Some upstreams reject empty content beside tool calls.
        "content": content or None,
        **state_fields(codec, turn),
        "tool_calls": calls,
    }


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    if not turn.parts:
        return turn.content
    text = [{"type": "text", "text": turn.content}] if turn.content else []
    return [*text, *map(_part, turn.parts)]


def _part(part: Part) -> dict[str, Any]:
    """Return a content part in OpenAI's form.

    OpenAI has no form for audio at a URL, which vLLM reads as `audio_url`, and none for files at a
    URL, which OpenRouter reads in `file_data`.
    """
    location = part.url or Base64(part.data, f"data:{part.media_type};base64,")
    match part.kind:
        case PartKind.IMAGE:
            detail = {"detail": part.detail.value} if part.detail else {}
            return {"type": "image_url", "image_url": {"url": location, **detail}}
        case PartKind.AUDIO if part.url:
            return {"type": "audio_url", "audio_url": {"url": part.url}}
        case PartKind.AUDIO:
            audio = {"data": Base64(part.data), "format": audio_format(part.media_type)}
            return {"type": "input_audio", "input_audio": audio}
        case PartKind.FILE:
            name = part.name or "file"
            return {"type": "file", "file": {"filename": name, "file_data": location}}


def audio_format(media_type: str) -> str:
    """Return OpenAI's name of an audio format."""
    return AUDIO_FORMATS.get(media_type) or media_type.partition("/")[2]
