"""Ollama's chat API, with thinking: https://docs.ollama.com/api/chat.

Calls come whole, each in a line. The API has no state: nothing of the thinking comes back.
"""

import json
from typing import Any

from tokenwire.v1 import chatgpt_pb2 as pb
from tools.conversations import story
from tools.conversations.wire import Wire, lines


def line(**message: Any) -> dict[str, Any]:
    """Return a line of an answer."""
    return {
        "model": "model-1",
        "created_at": "2026-01-01T00:00:00.000000Z",
        "message": {"role": "assistant", "content": "", **message},
        "done": False,
    }


def end(inputs: int, outputs: int) -> dict[str, Any]:
    """Return the last line of an answer."""
    return {
        **line(),
        "done": True,
        "done_reason": "stop",
        "total_duration": 1_000_000,
        "load_duration": 1_000,
        "prompt_eval_count": inputs,
        "prompt_eval_duration": 1_000,
        "eval_count": outputs,
        "eval_duration": 1_000,
    }


def calling(call_id: str, index: int, name: str, arguments: str) -> dict[str, Any]:
    """Return a line with a tool call."""
    function = {"index": index, "name": name, "arguments": json.loads(arguments)}
    return line(tool_calls=[{"id": call_id, "function": function}])


ANSWERS = [
    lines(
        line(thinking=story.FIRST_THOUGHT[:9]),
        line(thinking=story.FIRST_THOUGHT[9:]),
        calling("call_a", 0, "get_weather", story.ZURICH),
        calling("call_b", 1, "get_weather", story.OSLO),
        end(90, 40),
    ),
    lines(
        line(thinking=story.SECOND_THOUGHT),
        calling("call_c", 0, "get_time", story.OSLO),
        end(150, 20),
    ),
    lines(
        line(content=story.ANSWER[:13]),
        line(content=story.ANSWER[13:]),
        end(180, 12),
    ),
]


def tool(name: str, description: str) -> dict[str, Any]:
    """Return a tool as the upstream receives it."""
    parameters = json.loads(story.WEATHER_SCHEMA)
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def sent_call(call_id: str, index: int, name: str, arguments: str) -> dict[str, Any]:
    """Return a tool call as the upstream receives it again."""
    function = {"index": index, "name": name, "arguments": json.loads(arguments)}
    return {"id": call_id, "function": function}


SHARED = {
    "model": "model-1",
    "stream": True,
    "think": True,
    "options": {},
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
        "content": "",
        "tool_calls": [
            sent_call("call_a", 0, "get_weather", story.ZURICH),
            sent_call("call_b", 1, "get_weather", story.OSLO),
        ],
    },
    {
        "role": "tool",
        "content": story.RESULTS[0],
        "tool_name": "get_weather",
        "tool_call_id": "call_a",
    },
    {
        "role": "tool",
        "content": story.RESULTS[1],
        "tool_name": "get_weather",
        "tool_call_id": "call_b",
    },
]
SECOND_TURN = [
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [sent_call("call_c", 0, "get_time", story.OSLO)],
    },
    {
        "role": "tool",
        "content": story.TIME,
        "tool_name": "get_time",
        "tool_call_id": "call_c",
    },
]

OLLAMA = Wire(
    name="ollama",
    settings={"provider": "ollama"},
    path="/api/chat",
    headers={"content-type": "application/json"},
    address="OLLAMA_HOST",
    content_type="application/x-ndjson",
    requests=[
        {**SHARED, "messages": BEGINNING},
        {**SHARED, "messages": BEGINNING + FIRST_TURN},
        {
            **SHARED,
            "messages": BEGINNING + FIRST_TURN + SECOND_TURN,
            "format": json.loads(story.ANSWER_SCHEMA),
        },
    ],
    answers=ANSWERS,
    received=story.expected(
        ("call_a", "call_b", "call_c"),
        [
            pb.Usage(input_tokens=90, output_tokens=40),
            pb.Usage(input_tokens=150, output_tokens=20),
            pb.Usage(input_tokens=180, output_tokens=12),
        ],
        state=False,
    ),
)
