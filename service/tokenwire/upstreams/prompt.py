"""Converts a request to LangChain messages and parameters."""

import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from tokenwire.core.domain import ChatRequest, Part, Role, Turn
from tokenwire.core.large_work import next_step

MessageClass: TypeAlias = (
    type[SystemMessage] | type[HumanMessage] | type[AIMessage] | type[ToolMessage]
)


MessageDraft: TypeAlias = tuple[MessageClass, str, Turn | None]
"""The class and the content of a message, and its turn if that has more than a text. Creating
message objects is slow and often not needed."""

MESSAGES_PER_STEP: Final = 256
"""The number of messages that are created per step of large work."""
MESSAGE_CLASSES: Final[dict[Role, MessageClass]] = {
    Role.USER: HumanMessage,
    Role.ASSISTANT: AIMessage,
    Role.SYSTEM: SystemMessage,
    Role.TOOL: ToolMessage,
}


def to_drafts(request: ChatRequest) -> list[MessageDraft]:
    """Return the system prompt if it is set, the history and the message, in this order."""
    drafts: list[MessageDraft] = [(SystemMessage, request.system, None)] if request.system else []
    drafts.extend(
        (
            MESSAGE_CLASSES[turn.role],
            turn.content,
            turn if _has_more_than_text(turn) else None,
        )
        for turn in request.history
    )
    if request.parts:
        turn = Turn(Role.USER, request.content, parts=request.parts)
        drafts.append((HumanMessage, request.content, turn))
    elif request.content:
        drafts.append((HumanMessage, request.content, None))
    return drafts


def _has_more_than_text(turn: Turn) -> bool:
    return bool(turn.tool_calls or turn.tool_call_id or turn.parts or turn.reasoning or turn.state)


async def to_messages(drafts: Sequence[MessageDraft]) -> list[BaseMessage]:
    """Return the message objects, which takes one step of large work per MESSAGES_PER_STEP."""
    messages: list[BaseMessage] = []
    for start in range(0, len(drafts), MESSAGES_PER_STEP):
        if start:
            await next_step()
        for draft in drafts[start : start + MESSAGES_PER_STEP]:
            if draft[2] and draft[2].parts:
                # Encoding an image takes milliseconds.
                await next_step()
            messages.append(_message(draft))
    return messages


def _message(draft: MessageDraft) -> BaseMessage:
    kind, content, turn = draft
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


def to_parameters(request: ChatRequest) -> dict[str, Any]:
    """Return the parameters that the request sets, except `stop`, by LangChain's names."""
    sampling = request.sampling
    parameters = {
        "model": request.model,
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "user": sampling.user or None,
        "logprobs": True if sampling.top_logprobs is not None else None,
        "top_logprobs": sampling.top_logprobs or None,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "logit_bias": {str(token): bias for token, bias in sampling.logit_bias.items()} or None,
        "service_tier": sampling.service_tier and sampling.service_tier.value,
    }
    return {name: value for name, value in parameters.items() if value is not None}
