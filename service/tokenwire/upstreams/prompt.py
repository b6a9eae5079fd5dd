"""Converts a request to LangChain messages and parameters."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from tokenwire.core.domain import ChatRequest, Role
from tokenwire.core.large_work import next_step

MessageClass: TypeAlias = type[SystemMessage] | type[HumanMessage] | type[AIMessage]
MessageDraft: TypeAlias = tuple[MessageClass, str]
"""The class and the content of a message. Creating message objects is slow and often not needed."""

MESSAGES_PER_STEP: Final = 256
"""The number of messages that are created per step of large work."""
MESSAGE_CLASSES: Final[dict[Role, MessageClass]] = {
    Role.USER: HumanMessage,
    Role.ASSISTANT: AIMessage,
}


def to_drafts(request: ChatRequest) -> list[MessageDraft]:
    """Return the system prompt if it is set, the history and the message, in this order."""
    drafts: list[MessageDraft] = [(SystemMessage, request.system)] if request.system else []
    drafts.extend((MESSAGE_CLASSES[turn.role], turn.content) for turn in request.history)
    drafts.append((HumanMessage, request.content))
    return drafts


async def to_messages(drafts: Sequence[MessageDraft]) -> list[BaseMessage]:
    """Return the message objects, which takes one step of large work per MESSAGES_PER_STEP."""
    messages: list[BaseMessage] = []
    for start in range(0, len(drafts), MESSAGES_PER_STEP):
        if start:
            await next_step()
        messages.extend(
            message_class(content)
            for message_class, content in drafts[start : start + MESSAGES_PER_STEP]
        )
    return messages


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
