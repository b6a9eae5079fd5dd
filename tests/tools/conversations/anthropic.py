"""Anthropic's messages, with extended thinking.

https://docs.anthropic.com/en/api/messages-streaming and
https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking: with tools, the signed
blocks of a turn must come back, or the API answers with 400.
"""

import json
from typing import Any

from tokenwire.v1 import chatgpt_pb2 as pb
from tools.conversations import story
from tools.conversations.wire import Wire, named_events


def start(**counts: int) -> dict[str, Any]:
    """Return the event that begins a message."""
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "model-1",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"output_tokens": 1, "service_tier": "standard", **counts},
    }
    return {"type": "message_start", "message": message}


def block(index: int, content: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a block of content."""
    return [
        {"type": "content_block_start", "index": index, "content_block": content},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def thinking(thought: str, signature: str) -> list[dict[str, Any]]:
    """Return the events of a block of thinking."""
    half = len(thought) // 2
    return block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": thought[:half]},
        {"type": "thinking_delta", "thinking": thought[half:]},
        {"type": "signature_delta", "signature": signature},
    )


def using(index: int, call_id: str, name: str, arguments: str) -> list[dict[str, Any]]:
    """Return the events of a tool call."""
    return block(
        index,
        {"type": "tool_use", "id": call_id, "name": name, "input": {}},
        {"type": "input_json_delta", "partial_json": ""},
        {"type": "input_json_delta", "partial_json": arguments[:6]},
        {"type": "input_json_delta", "partial_json": arguments[6:]},
    )


def answer(
    begin: dict[str, Any], reason: str, output_tokens: int, *events: dict[str, Any]
) -> bytes:
    """Return the events of a message."""
    return named_events(
        begin,
        {"type": "ping"},
        *events,
        {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None},
            "usage": {"output_tokens": output_tokens},
        },
        {"type": "message_stop"},
    )


ANSWERS = [
    answer(
        start(input_tokens=80, cache_creation_input_tokens=10, cache_read_input_tokens=0),
        "tool_use",
        40,
        *thinking(story.FIRST_THOUGHT, "c2lnbmVkLTE="),
        *using(1, "toolu_a", "get_weather", story.ZURICH),
        *using(2, "toolu_b", "get_weather", story.OSLO),
    ),
    answer(
        start(input_tokens=86, cache_creation_input_tokens=0, cache_read_input_tokens=64),
        "tool_use",
        20,
        *thinking(story.SECOND_THOUGHT, "c2lnbmVkLTI="),
        *using(1, "toolu_c", "get_time", story.OSLO),
    ),
    answer(
        start(input_tokens=52, cache_creation_input_tokens=0, cache_read_input_tokens=128),
        "end_turn",
        12,
        *block(
            0,
            {"type": "text", "text": ""},
            {"type": "text_delta", "text": story.ANSWER[:13]},
            {"type": "text_delta", "text": story.ANSWER[13:]},
        ),
    ),
]


def tool(name: str, description: str) -> dict[str, Any]:
    """Return a tool as the upstream receives it."""
    schema = json.loads(story.WEATHER_SCHEMA)
    return {"name": name, "description": description, "input_schema": schema}


def sent_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return a tool call as the upstream receives it again."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": json.loads(arguments)}


def sent_result(call_id: str, content: str) -> dict[str, Any]:
    """Return the result of a call as the upstream receives it."""
    return {
        "type": "tool_result",
        "tool_use_id": call_id,
        "content": content,
        "is_error": False,
    }


def sent_thinking(thought: str, signature: str) -> dict[str, Any]:
    """Return a block of thinking as the upstream receives it again."""
    return {"type": "thinking", "thinking": thought, "signature": signature}


SHARED = {
    "model": "model-1",
    "max_tokens": 4_096,
    "stream": True,
    "system": story.SYSTEM,
    "tools": [
        tool("get_weather", "The weather of a city."),
        tool("get_time", "The time in a city."),
    ],
    "output_config": {"effort": "low"},
}
BEGINNING = [{"role": "user", "content": story.QUESTION}]
FIRST_TURN = [
    {
        "role": "assistant",
        "content": [
            sent_thinking(story.FIRST_THOUGHT, "c2lnbmVkLTE="),
            sent_call("toolu_a", "get_weather", story.ZURICH),
            sent_call("toolu_b", "get_weather", story.OSLO),
        ],
    },
    {
        "role": "user",
        "content": [
            sent_result("toolu_a", story.RESULTS[0]),
            sent_result("toolu_b", story.RESULTS[1]),
        ],
    },
]
SECOND_TURN = [
    {
        "role": "assistant",
        "content": [
            sent_thinking(story.SECOND_THOUGHT, "c2lnbmVkLTI="),
            sent_call("toolu_c", "get_time", story.OSLO),
        ],
    },
    {"role": "user", "content": [sent_result("toolu_c", story.TIME)]},
]
FORMAT = {"type": "json_schema", "schema": json.loads(story.ANSWER_SCHEMA)}

ANTHROPIC = Wire(
    name="anthropic",
    settings={"provider": "anthropic"},
    path="/v1/messages",
    headers={"authorization": "Bearer key-1", "content-type": "application/json"},
    variables={"ANTHROPIC_API_KEY": "key-1"},
    address="ANTHROPIC_BASE_URL",
    requests=[
        {**SHARED, "messages": BEGINNING},
        {**SHARED, "messages": BEGINNING + FIRST_TURN},
        {
            **SHARED,
            "messages": BEGINNING + FIRST_TURN + SECOND_TURN,
            "output_config": {"effort": "low", "format": FORMAT},
        },
    ],
    answers=ANSWERS,
    received=story.expected(
        ("toolu_a", "toolu_b", "toolu_c"),
        [
            pb.Usage(input_tokens=90, output_tokens=40, cache_write_input_tokens=10),
            pb.Usage(input_tokens=150, output_tokens=20, cached_input_tokens=64),
            pb.Usage(input_tokens=180, output_tokens=12, cached_input_tokens=128),
        ],
        state=True,
    ),
)
