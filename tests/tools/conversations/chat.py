"""Chat completions, with reasoning as DeepSeek documents it.

https://platform.openai.com/docs/api-reference/chat-streaming and
https://api-docs.deepseek.com/guides/thinking_mode: with tools, the reasoning of a turn must come
back, or the API answers with 400.
"""

import json
from typing import Any

from tokenwire.v1 import chatgpt_pb2 as pb
from tools.conversations import story
from tools.conversations.wire import Wire, events

HEAD = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1_760_000_000,
    "model": "model-1",
    "system_fingerprint": "fp_1",
}


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    """Return a chunk."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {**HEAD, "choices": [choice], "usage": None}


def usage(prompt: int, completion: int, reasoning: int, cached: int) -> dict[str, Any]:
    """Return the chunk with the usage."""
    return {
        **HEAD,
        "choices": [],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
        },
    }


def call(index: int, arguments: str, **opening: str) -> dict[str, Any]:
    """Return a delta with a piece of a tool call."""
    piece: dict[str, Any] = {"index": index, "function": {"arguments": arguments}}
    if opening:
        piece |= {"id": opening["id"], "type": "function"}
        piece["function"]["name"] = opening["name"]
    return {"tool_calls": [piece]}


ANSWERS = [
    events(
        chunk({"role": "assistant", "content": None, "reasoning_content": ""}),
        chunk({"content": None, "reasoning_content": story.FIRST_THOUGHT[:9]}),
        chunk({"content": None, "reasoning_content": story.FIRST_THOUGHT[9:]}),
        chunk(call(0, "", id="call_a", name="get_weather")),
        chunk(call(0, story.ZURICH[:7])),
        chunk(call(0, story.ZURICH[7:])),
        chunk(call(1, "", id="call_b", name="get_weather")),
        chunk(call(1, story.OSLO)),
        chunk({}, "tool_calls"),
        usage(90, 40, 11, 0),
        "[DONE]",
    ),
    events(
        chunk({"role": "assistant", "content": None, "reasoning_content": story.SECOND_THOUGHT}),
        chunk(call(0, "", id="call_c", name="get_time")),
        chunk(call(0, story.OSLO)),
        chunk({}, "tool_calls"),
        usage(150, 20, 5, 64),
        "[DONE]",
    ),
    events(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": story.ANSWER[:13]}),
        chunk({"content": story.ANSWER[13:]}),
        chunk({}, "stop"),
        usage(180, 12, 0, 128),
        "[DONE]",
    ),
]


def tool(name: str, description: str) -> dict[str, Any]:
    """Return a tool as the upstream receives it."""
    parameters = json.loads(story.WEATHER_SCHEMA)
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def sent_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return a tool call as the upstream receives it again."""
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


SHARED = {
    "model": "model-1",
    "stream": True,
    "stream_options": {"include_usage": True},
    "reasoning_effort": "low",
    "tools": [
        tool("get_weather", "The weather of a city."),
        tool("get_time", "The time in a city."),
    ],
}
BEGINNING = [
    {"role": "system", "content": story.SYSTEM},
    {"role": "user", "content": story.QUESTION},
]
FIRST_TURN = [
    {
        "role": "assistant",
        "content": None,
        "reasoning_content": story.FIRST_THOUGHT,
        "tool_calls": [
            sent_call("call_a", "get_weather", story.ZURICH),
            sent_call("call_b", "get_weather", story.OSLO),
        ],
    },
    {"role": "tool", "tool_call_id": "call_a", "content": story.RESULTS[0]},
    {"role": "tool", "tool_call_id": "call_b", "content": story.RESULTS[1]},
]
SECOND_TURN = [
    {
        "role": "assistant",
        "content": None,
        "reasoning_content": story.SECOND_THOUGHT,
        "tool_calls": [sent_call("call_c", "get_time", story.OSLO)],
    },
    {"role": "tool", "tool_call_id": "call_c", "content": story.TIME},
]
FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "schema": json.loads(story.ANSWER_SCHEMA),
        "strict": True,
    },
}

CHAT = Wire(
    name="chat",
    settings={"dialect": "chat", "api_key": "key-1"},
    path="/v1/chat/completions",
    headers={"authorization": "Bearer key-1", "content-type": "application/json"},
    requests=[
        {**SHARED, "messages": BEGINNING},
        {**SHARED, "messages": BEGINNING + FIRST_TURN},
        {**SHARED, "messages": BEGINNING + FIRST_TURN + SECOND_TURN, "response_format": FORMAT},
    ],
    answers=ANSWERS,
    received=story.expected(
        ("call_a", "call_b", "call_c"),
        [
            pb.Usage(input_tokens=90, output_tokens=40, reasoning_tokens=11),
            pb.Usage(
                input_tokens=150, output_tokens=20, reasoning_tokens=5, cached_input_tokens=64
            ),
            pb.Usage(input_tokens=180, output_tokens=12, cached_input_tokens=128),
        ],
        state=True,
    ),
)
