"""Converts a request to LangChain messages and parameters."""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from tokenwire.core.domain import ChatRequest, Role, Turn
from tokenwire.core.large_work import next_step

MessageClass: TypeAlias = (
    type[SystemMessage] | type[HumanMessage] | type[AIMessage] | type[ToolMessage]
)


class MessageDraft(NamedTuple):
    """A message that is not created yet. Creating messages is slow and often not needed.

    Attributes:
        kind: The class of the message.
        content: The text.
        turn: The turn if it has tool calls or the result of one; otherwise None.
    """

    kind: MessageClass
    content: str
    turn: Turn | None = None


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
    drafts = [MessageDraft(SystemMessage, request.system)] if request.system else []
    for turn in request.history:
        has_tools = turn.tool_calls or turn.role is Role.TOOL
        kind = MESSAGE_CLASSES[turn.role]
        drafts.append(MessageDraft(kind, turn.content, turn if has_tools else None))
    if request.content:
        drafts.append(MessageDraft(HumanMessage, request.content))
    return drafts


async def to_messages(drafts: Sequence[MessageDraft]) -> list[BaseMessage]:
    """Return the message objects, which takes one step of large work per MESSAGES_PER_STEP."""
    messages: list[BaseMessage] = []
    for start in range(0, len(drafts), MESSAGES_PER_STEP):
        if start:
            await next_step()
        messages.extend(map(_message, drafts[start : start + MESSAGES_PER_STEP]))
    return messages


def _message(draft: MessageDraft) -> BaseMessage:
    turn = draft.turn
    if turn is None:
        return draft.kind(draft.content)
    if turn.role is Role.TOOL:
        return ToolMessage(turn.content, tool_call_id=turn.tool_call_id)
    calls = [
        {"id": call.id, "name": call.name, "args": json.loads(call.arguments)}
        for call in turn.tool_calls
    ]
    return AIMessage(turn.content, tool_calls=calls)


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
    }
    return {name: value for name, value in parameters.items() if value is not None}
