"""What LangChain's messages become in a request."""

import base64
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from tokenwire_client import Detail, Part, Role, ToolCall, Turn
from tokenwire_client.langchain.conversation import split
from tokenwire_client.request import build_message
from tokenwire_client.v1.chatgpt_pb2 import Message

PNG = base64.b64encode(b"a picture").decode()
CALL = {"name": "get_weather", "args": {"city": "Oslo"}, "id": "call-1", "type": "tool_call"}


def message_of(messages: list[BaseMessage]) -> Message:
    content, options = split(messages)
    return build_message(content, **options)


def parts_of(block: dict[str, Any]) -> list[Part]:
    return list(message_of([HumanMessage([{"type": "text", "text": "what?"}, block])]).parts)


def test_a_conversation() -> None:
    """System messages become the system prompt, earlier turns the history, the last the content."""
    messages = [
        SystemMessage("Be brief."),
        SystemMessage("Be kind."),
        HumanMessage("Hello"),
        AIMessage("Hi"),
        SystemMessage("Be rude."),
        ChatMessage(content="And now?", role="user"),
    ]
    made = message_of(messages)
    assert made.system == "Be brief.\n\nBe kind."
    assert made.content == "And now?"
    assert list(made.history) == [
        Turn(role=Role.ROLE_USER, content="Hello"),
        Turn(role=Role.ROLE_ASSISTANT, content="Hi"),
        Turn(role=Role.ROLE_SYSTEM, content="Be rude."),
    ]


def test_without_a_system_message_the_servers_prompt_applies() -> None:
    """The field is unset without a system message, and empty with an empty one."""
    assert not message_of([HumanMessage("Hello")]).HasField("system")
    empty = message_of([SystemMessage(""), HumanMessage("Hello")])
    assert empty.HasField("system")
    assert empty.system == ""


def test_the_result_of_a_tool() -> None:
    """A result is a turn of its tool, and the content is empty; reasoning and states go back."""
    state = base64.b64encode(b"state").decode()
    call_state = base64.b64encode(b"of the call").decode()
    answer = AIMessage(
        "Let me see.",
        tool_calls=[CALL],
        additional_kwargs={
            "reasoning_content": "Hm.",
            "tokenwire_state": state,
            "tokenwire_call_states": {"call-1": call_state},
        },
    )
    picture = {"type": "image", "base64": PNG, "mime_type": "image/png"}
    result = ToolMessage([{"type": "text", "text": "rain"}, picture], tool_call_id="call-1")
    made = message_of([HumanMessage("The weather?"), answer, result])
    assert made.content == ""
    assert list(made.history[1:]) == [
        Turn(
            role=Role.ROLE_ASSISTANT,
            content="Let me see.",
            reasoning="Hm.",
            tool_calls=[
                ToolCall(
                    id="call-1",
                    name="get_weather",
                    arguments='{"city": "Oslo"}',
                    state=b"of the call",
                )
            ],
            state=b"state",
        ),
        Turn(
            role=Role.ROLE_TOOL,
            content="rain",
            parts=[Part(inline=b"a picture", media_type="image/png")],
            tool_call_id="call-1",
        ),
    ]


def test_answers_of_other_models() -> None:
    """Content blocks of other providers are read: thinking is reasoning, tool uses are calls."""
    content: list[str | dict[str, Any]] = [
        {"type": "thinking", "thinking": "Hm.", "signature": "x"},
        {"type": "text", "text": "Let me "},
        {"type": "text", "text": "see."},
        {"type": "tool_use", "id": "call-1", "name": "get_weather", "input": {"city": "Oslo"}},
    ]
    answer = AIMessage(content, tool_calls=[CALL])
    [turn] = message_of([answer, HumanMessage("And?")]).history
    assert (turn.reasoning, turn.content) == ("Hm.", "Let me see.")
    assert [call.id for call in turn.tool_calls] == ["call-1"]


BLOCKS: dict[str, tuple[dict[str, Any], Part]] = {
    "standard": (
        {"type": "image", "base64": PNG, "mime_type": "image/png"},
        Part(inline=b"a picture", media_type="image/png"),
    ),
    "standard address": (
        {"type": "image", "url": "https://example.com/a.png"},
        Part(url="https://example.com/a.png"),
    ),
    "OpenAI data": (
        {
            "type": "image_url",
            "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"},
        },
        Part(inline=b"a picture", media_type="image/png", detail=Detail.DETAIL_LOW),
    ),
    "Anthropic": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        Part(inline=b"a picture", media_type="image/png"),
    ),
    "audio": (
        {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
        Part(inline=b"a picture", media_type="audio/wav"),
    ),
    "file": (
        {
            "type": "file",
            "base64": PNG,
            "mime_type": "application/pdf",
            "extras": {"filename": "a.pdf"},
        },
        Part(inline=b"a picture", media_type="application/pdf", name="a.pdf"),
    ),
    "text": (
        {"type": "text-plain", "text": "words", "mime_type": "text/plain"},
        Part(inline=b"words", media_type="text/plain"),
    ),
}


@pytest.mark.parametrize(("block", "part"), BLOCKS.values(), ids=BLOCKS)
def test_data(block: dict[str, Any], part: Part) -> None:
    """Images, audio and files become parts, in each of the formats that LangChain knows."""
    assert parts_of(block) == [part]


WRONG: dict[str, tuple[list[BaseMessage], type[Exception], str]] = {
    "none": ([], ValueError, "there is nothing to answer"),
    "only a system message": ([SystemMessage("a")], ValueError, "there is nothing to answer"),
    "an answer at the end": ([AIMessage("a")], ValueError, "the last message is of type 'ai'"),
    "a role": ([ChatMessage(content="a", role="poet")], ValueError, "has the role 'poet'"),
    "a class": (
        [FunctionMessage(content="a", name="f")],
        TypeError,
        "a message of type 'function'",
    ),
    "a block": (
        [HumanMessage([{"type": "hologram"}])],
        ValueError,
        "a content block of type 'hologram'",
    ),
    "no data": (
        [HumanMessage([{"type": "image", "file_id": "file-1"}])],
        ValueError,
        "needs `base64` or `url`",
    ),
    "no type": ([HumanMessage([{"type": "file", "base64": PNG}])], ValueError, "no `mime_type`"),
    "no base64": (
        [HumanMessage([{"type": "image", "base64": "?", "mime_type": "image/png"}])],
        ValueError,
        "is not base64",
    ),
    "a picture of the model": (
        [
            AIMessage([{"type": "image", "base64": PNG, "mime_type": "image/png"}]),
            HumanMessage("a"),
        ],
        ValueError,
        "an AIMessage has images",
    ),
}


@pytest.mark.parametrize(("messages", "kind", "text"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_sent(messages: list[BaseMessage], kind: type[Exception], text: str) -> None:
    """A message that cannot be sent raises an exception that says what is wrong."""
    with pytest.raises(kind, match=text):
        split(messages)
