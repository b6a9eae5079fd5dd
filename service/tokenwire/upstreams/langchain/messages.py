"""Converts the drafts of messages to LangChain messages."""

import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from tokenwire.core.domain import Part, Role, Turn
from tokenwire.core.large_work import next_step
from tokenwire.upstreams.prompt import MESSAGES_PER_STEP, Draft

MessageClass: TypeAlias = (
    type[SystemMessage] | type[HumanMessage] | type[AIMessage] | type[ToolMessage]
)

MESSAGE_CLASSES: Final[dict[Role, MessageClass]] = {
    Role.USER: HumanMessage,
    Role.ASSISTANT: AIMessage,
    Role.SYSTEM: SystemMessage,
    Role.TOOL: ToolMessage,
}


async def to_messages(drafts: Sequence[Draft]) -> list[BaseMessage]:
    """Return the message objects, which takes one step of large work per MESSAGES_PER_STEP."""
    messages: list[BaseMessage] = []
    for start in range(0, len(drafts), MESSAGES_PER_STEP):
        if start:
            await next_step()
        for draft in drafts[start : start + MESSAGES_PER_STEP]:
            if draft.turn and draft.turn.parts:
                # Encoding an image takes milliseconds.
                await next_step()
            messages.append(_message(draft))
    return messages


def _message(draft: Draft) -> BaseMessage:
    role, content, turn = draft
    kind = MESSAGE_CLASSES[role]
    if turn is None:
        return kind(content)
    if turn.role is Role.TOOL:
        return ToolMessage(_content(turn), tool_call_id=turn.tool_call_id)
    if turn.parts:
        return kind(_content(turn))
    calls = [
        {"id": call.id, "name": call.name, "args": json.loads(call.arguments)}
        for call in turn.tool_calls
    ]
    return AIMessage(turn.content, tool_calls=calls)


def _content(turn: Turn) -> str | list[str | dict[str, Any]]:
    if not turn.parts:
        return turn.content
    text = [{"type": "text", "text": turn.content}] if turn.content else []
    return [*text, *map(_content_block, turn.parts)]


def _content_block(part: Part) -> dict[str, Any]:
    """Return one of LangChain's standard content blocks."""
    media_type = {"mime_type": part.media_type} if part.media_type else {}
    name = {"filename": part.name} if part.name else {}
    source = {"url": part.url} if part.url else {"base64": b64encode(part.data).decode()}
    return {"type": part.kind.value, **source, **media_type, **name}
