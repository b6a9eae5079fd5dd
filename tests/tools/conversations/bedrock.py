"""Amazon Bedrock's ConverseStream, with signed reasoning.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html: with
tools, the signed reasoning of a turn must come back, or the API answers with 400.
"""

import json
from typing import Any

from support.bedrock_wire import START, call, delta, event
from tokenwire.v1 import chatgpt_pb2 as pb
from tools.conversations import story
from tools.conversations.wire import Wire


def reasoning(thought: str, signature: str) -> list[bytes]:
    """Return the events of a block of reasoning."""
    half = len(thought) // 2
    return [
        delta(reasoningContent={"text": thought[:half]}),
        delta(reasoningContent={"text": thought[half:]}),
        delta(reasoningContent={"signature": signature}),
        event("contentBlockStop", contentBlockIndex=0),
    ]


def answer(reason: str, counts: dict[str, int], *events: bytes) -> bytes:
    """Return the events of an answer."""
    usage = {**counts, "totalTokens": sum(counts.values())}
    ended = [
        event("messageStop", stopReason=reason),
        event("metadata", usage=usage, metrics={"latencyMs": 7}),
    ]
    return b"".join([START, *events, *ended])


ANSWERS = [
    answer(
        "tool_use",
        {"inputTokens": 80, "outputTokens": 40, "cacheWriteInputTokens": 10},
        *reasoning(story.FIRST_THOUGHT, "c2lnbmVkLTE="),
        *call(1, "tooluse_a", "get_weather", "", story.ZURICH[:6], story.ZURICH[6:]),
        *call(2, "tooluse_b", "get_weather", story.OSLO),
    ),
    answer(
        "tool_use",
        {"inputTokens": 86, "outputTokens": 20, "cacheReadInputTokens": 64},
        *reasoning(story.SECOND_THOUGHT, "c2lnbmVkLTI="),
        *call(1, "tooluse_c", "get_time", story.OSLO),
    ),
    answer(
        "end_turn",
        {"inputTokens": 52, "outputTokens": 12, "cacheReadInputTokens": 128},
        delta(text=story.ANSWER[:13]),
        delta(text=story.ANSWER[13:]),
    ),
]


def tool(name: str, description: str) -> dict[str, Any]:
    """Return a tool as the upstream receives it."""
    schema = {"json": json.loads(story.WEATHER_SCHEMA)}
    return {"toolSpec": {"name": name, "description": description, "inputSchema": schema}}


def sent_reasoning(thought: str, signature: str) -> dict[str, Any]:
    """Return a block of reasoning as the upstream receives it again."""
    return {"reasoningContent": {"reasoningText": {"text": thought, "signature": signature}}}


def sent_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return a tool call as the upstream receives it again."""
    return {"toolUse": {"toolUseId": call_id, "name": name, "input": json.loads(arguments)}}


def sent_result(call_id: str, content: str) -> dict[str, Any]:
    """Return the result of a call as the upstream receives it."""
    return {"toolResult": {"toolUseId": call_id, "content": [{"text": content}]}}


SHARED: dict[str, Any] = {
    "system": [{"text": story.SYSTEM}],
    "toolConfig": {
        "tools": [
            tool("get_weather", "The weather of a city."),
            tool("get_time", "The time in a city."),
        ]
    },
    "outputConfig": {"effort": "low"},
}
FORMAT = {
    "type": "json_schema",
    "structure": {"jsonSchema": {"schema": story.ANSWER_SCHEMA, "name": "answer"}},
}
BEGINNING = [{"role": "user", "content": [{"text": story.QUESTION}]}]
FIRST_TURN = [
    {
        "role": "assistant",
        "content": [
            sent_reasoning(story.FIRST_THOUGHT, "c2lnbmVkLTE="),
            sent_call("tooluse_a", "get_weather", story.ZURICH),
            sent_call("tooluse_b", "get_weather", story.OSLO),
        ],
    },
    {
        "role": "user",
        "content": [
            sent_result("tooluse_a", story.RESULTS[0]),
            sent_result("tooluse_b", story.RESULTS[1]),
        ],
    },
]
SECOND_TURN = [
    {
        "role": "assistant",
        "content": [
            sent_reasoning(story.SECOND_THOUGHT, "c2lnbmVkLTI="),
            sent_call("tooluse_c", "get_time", story.OSLO),
        ],
    },
    {"role": "user", "content": [sent_result("tooluse_c", story.TIME)]},
]

BEDROCK = Wire(
    name="bedrock",
    settings={"provider": "bedrock"},
    path="/model/model-1/converse-stream",
    headers={"authorization": "bearer key-1", "content-type": "application/json"},
    variables={"AWS_BEARER_TOKEN_BEDROCK": "key-1", "AWS_REGION": "eu-central-1"},
    address="AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    content_type="application/vnd.amazon.eventstream",
    requests=[
        {**SHARED, "messages": BEGINNING},
        {**SHARED, "messages": BEGINNING + FIRST_TURN},
        {
            **SHARED,
            "messages": BEGINNING + FIRST_TURN + SECOND_TURN,
            "outputConfig": {**SHARED["outputConfig"], "textFormat": FORMAT},
        },
    ],
    answers=ANSWERS,
    received=story.expected(
        ("tooluse_a", "tooluse_b", "tooluse_c"),
        [
            pb.Usage(input_tokens=90, output_tokens=40, cache_write_input_tokens=10),
            pb.Usage(input_tokens=150, output_tokens=20, cached_input_tokens=64),
            pb.Usage(input_tokens=180, output_tokens=12, cached_input_tokens=128),
        ],
        state=True,
    ),
)
