"""Mistral's chat completions, with reasoning: https://docs.mistral.ai/api/endpoint/chat.

Calls come whole. The API has no state: nothing of the thinking has to come back.
"""

import json
from typing import Any

from tokenwire.v1 import chatgpt_pb2 as pb
from tools.conversations import story
from tools.conversations.wire import Wire, events

HEAD = {
    "id": "cmpl-1",
    "object": "chat.completion.chunk",
    "created": 1_760_000_000,
    "model": "model-1",
}


def chunk(content: Any, **others: Any) -> dict[str, Any]:
    """Return a chunk."""
    choice = {"index": 0, "delta": {"content": content, **others}, "finish_reason": None}
    return {**HEAD, "choices": [choice]}


def thinking(text: str) -> list[dict[str, Any]]:
    """Return a content with a part of the reasoning."""
    return [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]


def end(reason: str, prompt: int, completion: int, cached: int, **delta: Any) -> dict[str, Any]:
    """Return the last chunk."""
    choice = {"index": 0, "delta": {"content": "", **delta}, "finish_reason": reason}
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    return {**HEAD, "choices": [choice], "usage": usage}


def call(index: int, call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return a tool call."""
    return {"id": call_id, "function": {"name": name, "arguments": arguments}, "index": index}


ANSWERS = [
    events(
        chunk("", role="assistant"),
        chunk(thinking(story.FIRST_THOUGHT[:9])),
        chunk(thinking(story.FIRST_THOUGHT[9:])),
        end(
            "tool_calls",
            90,
            40,
            0,
            tool_calls=[
                call(0, "D681PevKa", "get_weather", story.ZURICH),
                call(1, "D681PevKb", "get_weather", story.OSLO),
            ],
        ),
        "[DONE]",
    ),
    events(
        chunk("", role="assistant"),
        chunk(thinking(story.SECOND_THOUGHT)),
        end("tool_calls", 150, 20, 64, tool_calls=[call(0, "D681PevKc", "get_time", story.OSLO)]),
        "[DONE]",
    ),
    events(
        chunk("", role="assistant"),
        chunk([{"type": "text", "text": story.ANSWER[:13]}]),
        chunk(story.ANSWER[13:]),
        end("stop", 180, 12, 128),
        "[DONE]",
    ),
]


def tool(name: str, description: str) -> dict[str, Any]:
    """Return a tool as the upstream receives it."""
    parameters = json.loads(story.WEATHER_SCHEMA)
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def turn(*calls: tuple[str, str, str]) -> dict[str, Any]:
    """Return a turn with tool calls as the upstream receives it."""
    sent = [
        {"id": call_id, "function": {"name": name, "arguments": arguments}}
        for call_id, name, arguments in calls
    ]
    return {"role": "assistant", "tool_calls": sent, "content": ""}


def result(call_id: str, name: str, content: str) -> dict[str, Any]:
    """Return the result of a call as the upstream receives it."""
    return {"role": "tool", "name": name, "tool_call_id": call_id, "content": content}


SHARED = {
    "model": "model-1",
    "stream": True,
    "tools": [
        tool("get_weather", "The weather of a city."),
        tool("get_time", "The time in a city."),
    ],
    "reasoning_effort": "low",
}
BEGINNING = [
    {"role": "system", "content": story.SYSTEM},
    {"role": "user", "content": story.QUESTION},
]
FIRST_TURN = [
    turn(
        ("D681PevKa", "get_weather", story.ZURICH),
        ("D681PevKb", "get_weather", story.OSLO),
    ),
    result("D681PevKa", "get_weather", story.RESULTS[0]),
    result("D681PevKb", "get_weather", story.RESULTS[1]),
]
SECOND_TURN = [
    turn(("D681PevKc", "get_time", story.OSLO)),
    result("D681PevKc", "get_time", story.TIME),
]
FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "schema": json.loads(story.ANSWER_SCHEMA),
        "strict": True,
    },
}

MISTRAL = Wire(
    name="mistralai",
    settings={"provider": "mistralai"},
    path="/chat/completions",
    headers={"authorization": "Bearer key-1", "content-type": "application/json"},
    variables={"MISTRAL_API_KEY": "key-1"},
    address="MISTRAL_BASE_URL",
    requests=[
        {**SHARED, "messages": BEGINNING},
        {**SHARED, "messages": BEGINNING + FIRST_TURN},
        {**SHARED, "messages": BEGINNING + FIRST_TURN + SECOND_TURN, "response_format": FORMAT},
    ],
    answers=ANSWERS,
    received=story.expected(
        ("D681PevKa", "D681PevKb", "D681PevKc"),
        [
            pb.Usage(input_tokens=90, output_tokens=40),
            pb.Usage(input_tokens=150, output_tokens=20, cached_input_tokens=64),
            pb.Usage(input_tokens=180, output_tokens=12, cached_input_tokens=128),
        ],
        state=False,
    ),
)
