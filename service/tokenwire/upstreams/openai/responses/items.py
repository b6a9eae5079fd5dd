"""The input items of a responses request, as LangChain's ChatOpenAI forms them."""

from collections.abc import Iterator, Sequence
from typing import Any

from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.domain import Part, PartKind, Role, Turn
from tokenwire.core.json_pieces import Base64
from tokenwire.upstreams.openai.chat_messages import audio_format
from tokenwire.upstreams.openai.responses.state import reasoning_items
from tokenwire.upstreams.prompt import Draft


def input_items(drafts: Sequence[Draft], codec: StateCodec) -> list[dict[str, Any]]:
    """Return the items of a conversation.

    Args:
        drafts: The messages of the conversation.
        codec: Decodes the state of turns.
    """
    items: list[dict[str, Any]] = []
    for role, content, turn in drafts:
        if turn is not None:
            items.extend(_items(turn, codec))
        elif role is Role.ASSISTANT:
            items.append(_answer(content))
        else:
            items.append({"content": content, "role": role.value, "type": "message"})
    return items


def _answer(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "role": "assistant", "content": content}


def _items(turn: Turn, codec: StateCodec) -> Iterator[dict[str, Any]]:
    """Yield the items of a turn that has more than a text."""
    if turn.role is Role.TOOL:
        output = _content(turn) if turn.parts else turn.content
        yield {"type": "function_call_output", "output": output, "call_id": turn.tool_call_id}
    elif turn.role is Role.ASSISTANT:
        # Reasoning precedes what it led to.
        yield from reasoning_items(codec, turn.state)
        if turn.content:
            yield _answer(turn.content)
        for call in turn.tool_calls:
            yield {
                "type": "function_call",
                "name": call.name,
                "arguments": call.arguments,
                "call_id": call.id,
            }
    else:
        yield {"content": _content(turn), "role": turn.role.value, "type": "message"}


def _content(turn: Turn) -> list[dict[str, Any]]:
    text = [{"type": "input_text", "text": turn.content}] if turn.content else []
    return [*text, *map(_part, turn.parts)]


def _part(part: Part) -> dict[str, Any]:
    location = part.url or Base64(part.data, f"data:{part.media_type};base64,")
    match part.kind:
        case PartKind.IMAGE:
            detail = {"detail": part.detail.value} if part.detail else {}
            return {"type": "input_image", "image_url": location, **detail}
        case PartKind.AUDIO:
            audio = {"data": Base64(part.data), "format": audio_format(part.media_type)}
            return {"type": "input_audio", "input_audio": audio}
        case PartKind.FILE if part.url:
            return {"type": "input_file", "file_url": part.url}
        case PartKind.FILE:
            name = part.name or "file"
            return {"type": "input_file", "filename": name, "file_data": location}
