"""Converts LangChain's messages to a request's system prompt, history and content."""

import base64
import json
from collections.abc import Sequence
from typing import Any, Final

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from tokenwire_client.langchain.content import Content, read_content
from tokenwire_client.request import RequestOptions
from tokenwire_client.v1.chatgpt_pb2 import Role, ToolCall, Turn

STATE: Final = "tokenwire_state"
"""The key of an AIMessage's `additional_kwargs` with the answer's state, in base64."""
CALL_STATES: Final = "tokenwire_call_states"
"""The same with the states of the answer's tool calls, by their ids."""
REASONING: Final = "reasoning_content"
"""The same with the reasoning, where `content_blocks` finds it."""

ROLES: Final[dict[str, type[BaseMessage]]] = {
    "user": HumanMessage,
    "assistant": AIMessage,
    "system": SystemMessage,
    "developer": SystemMessage,
}
"""The roles of a ChatMessage."""


def split(messages: Sequence[BaseMessage]) -> tuple[str, RequestOptions]:
    """Return the content of a request, and its system prompt, history and parts.

    The system messages at the beginning are the system prompt; without one, the server's applies.
    The last message of a person is the content. If the last message is the result of a tool, the
    content is empty.

    Raises:
        TypeError: A message is of a class that cannot be sent.
        ValueError: There is nothing to answer, or the content of a message cannot be sent.
    """
    turns = [_known(message) for message in messages]
    first = next((i for i, each in enumerate(turns) if not isinstance(each, SystemMessage)), None)
    if first is None:
        raise ValueError("there is nothing to answer; end the messages with a HumanMessage")
    options: RequestOptions = {}
    if first:
        options["system"] = "\n\n".join(_text_only(each) for each in turns[:first])
    content = ""
    if isinstance(turns[-1], HumanMessage):
        content, parts, _ = read_content(turns.pop())
        options["parts"] = parts
    elif turns[-1].type != "tool":
        raise ValueError(
            f"the last message is of type {turns[-1].type!r}; tokenwire answers a HumanMessage "
            "or a ToolMessage"
        )
    options["history"] = [_turn(message) for message in turns[first:]]
    return content, options


def _known(message: BaseMessage) -> BaseMessage:
    """Return the message, or the one that a ChatMessage stands for."""
    if isinstance(message, ChatMessage):
        return _by_role(message)
    if not isinstance(message, HumanMessage | AIMessage | SystemMessage | ToolMessage):
        raise TypeError(
            f"tokenwire cannot send a message of type {message.type!r}; use HumanMessage, "
            "AIMessage, SystemMessage or ToolMessage"
        )
    return message


def _by_role(message: ChatMessage) -> BaseMessage:
    kind = ROLES.get(message.role)
    if kind is None:
        raise ValueError(
            f"a ChatMessage has the role {message.role!r}; it must be one of {', '.join(ROLES)}"
        )
    return kind(content=message.content)


def _turn(message: BaseMessage) -> Turn:
    if isinstance(message, SystemMessage):
        return Turn(role=Role.ROLE_SYSTEM, content=_text_only(message))
    content = read_content(message)
    if isinstance(message, AIMessage):
        return _answer(message, content)
    if isinstance(message, ToolMessage):
        return Turn(
            role=Role.ROLE_TOOL,
            content=content.text,
            parts=content.parts,
            tool_call_id=message.tool_call_id,
        )
    return Turn(role=Role.ROLE_USER, content=content.text, parts=content.parts)


def _answer(message: AIMessage, content: Content) -> Turn:
    if content.parts:
        raise ValueError("an AIMessage has images, audio or files; tokenwire sends back text only")
    states: dict[str, str] = message.additional_kwargs.get(CALL_STATES) or {}
    calls = [
        (call["id"], call["name"], json.dumps(call["args"], ensure_ascii=False))
        for call in message.tool_calls
    ]
    # The server says what is wrong with them.
    calls += [
        (call["id"], call["name"] or "", call["args"] or "") for call in message.invalid_tool_calls
    ]
    return Turn(
        role=Role.ROLE_ASSISTANT,
        content=content.text,
        reasoning=content.reasoning,
        tool_calls=[
            ToolCall(
                id=id_ or "", name=name, arguments=arguments, state=_bytes(states.get(id_ or ""))
            )
            for id_, name, arguments in calls
        ],
        state=_bytes(message.additional_kwargs.get(STATE)),
    )


def _text_only(message: BaseMessage) -> str:
    content = read_content(message)
    if content.parts:
        raise ValueError("a SystemMessage has images, audio or files; it must have text only")
    return content.text


def _bytes(encoded: Any) -> bytes:
    return base64.b64decode(encoded) if encoded else b""
