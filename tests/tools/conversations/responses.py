"""The responses API, with reasoning that the service keeps for it in encrypted form.

https://platform.openai.com/docs/api-reference/responses-streaming and
https://platform.openai.com/docs/guides/reasoning#encrypted-reasoning-items.
"""

import json
from typing import Any

from tokenwire.v1 import chatgpt_pb2 as pb
from tools.conversations import story
from tools.conversations.wire import Wire, named_events


def reasoning(item_id: str, thought: str, secret: str | None) -> dict[str, Any]:
    """Return an item with reasoning, which is complete with its encrypted content."""
    summary = [{"type": "summary_text", "text": thought}] if secret else []
    item = {"id": item_id, "type": "reasoning", "summary": summary}
    return {**item, "encrypted_content": secret} if secret else item


def call(item_id: str, call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return an item with a function call."""
    return {
        "id": item_id,
        "type": "function_call",
        "status": "completed" if arguments else "in_progress",
        "arguments": arguments,
        "call_id": call_id,
        "name": name,
    }


def response(status: str, *output: dict[str, Any], usage: Any = None) -> dict[str, Any]:
    """Return a response object."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_760_000_000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": "model-1",
        "output": list(output),
        "parallel_tool_calls": True,
        "store": False,
        "usage": usage,
    }


def usage(inputs: int, outputs: int, reasoned: int, cached: int) -> dict[str, Any]:
    """Return the usage of a response."""
    return {
        "input_tokens": inputs,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": outputs,
        "output_tokens_details": {"reasoning_tokens": reasoned},
        "total_tokens": inputs + outputs,
    }


def numbered(*bodies: dict[str, Any]) -> bytes:
    """Return events with their sequence numbers."""
    return named_events(
        *({**body, "sequence_number": number} for number, body in enumerate(bodies))
    )


def thinking(index: int, item_id: str, thought: str, secret: str) -> list[dict[str, Any]]:
    """Return the events of an item with reasoning."""
    place = {"item_id": item_id, "output_index": index, "summary_index": 0}
    kind = "response.reasoning_summary"
    half = len(thought) // 2
    part = {"type": "summary_text", "text": ""}
    return [
        {
            "type": "response.output_item.added",
            "output_index": index,
            "item": reasoning(item_id, thought, None),
        },
        {"type": f"{kind}_part.added", **place, "part": part},
        {"type": f"{kind}_text.delta", **place, "delta": thought[:half]},
        {"type": f"{kind}_text.delta", **place, "delta": thought[half:]},
        {"type": f"{kind}_text.done", **place, "text": thought},
        {"type": f"{kind}_part.done", **place, "part": {**part, "text": thought}},
        {
            "type": "response.output_item.done",
            "output_index": index,
            "item": reasoning(item_id, thought, secret),
        },
    ]


def calling(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a function call."""
    place = {"item_id": item["id"], "output_index": index}
    kind = "response.function_call_arguments"
    arguments = item["arguments"]
    begun = {**item, "arguments": "", "status": "in_progress"}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": begun},
        {"type": f"{kind}.delta", **place, "delta": arguments[:6]},
        {"type": f"{kind}.delta", **place, "delta": arguments[6:]},
        {"type": f"{kind}.done", **place, "arguments": arguments},
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def answering(text: str) -> list[dict[str, Any]]:
    """Return the events of a message."""
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    whole = {**part, "text": text}
    item = {"id": "msg_1", "type": "message", "role": "assistant"}
    kind = "response.output_text"
    return [
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", **place, "part": part},
        {"type": f"{kind}.delta", **place, "delta": text[:13], "logprobs": []},
        {"type": f"{kind}.delta", **place, "delta": text[13:], "logprobs": []},
        {"type": f"{kind}.done", **place, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": whole},
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": {**item, "status": "completed", "content": [whole]},
        },
    ]


def answer(counts: dict[str, Any], *events: dict[str, Any]) -> bytes:
    """Return the events of a response."""
    output = [each["item"] for each in events if each["type"] == "response.output_item.done"]
    return numbered(
        {"type": "response.created", "response": response("in_progress")},
        {"type": "response.in_progress", "response": response("in_progress")},
        *events,
        {
            "type": "response.completed",
            "response": response("completed", *output, usage=counts),
        },
    )


CALLS = [
    call("fc_a", "call_a", "get_weather", story.ZURICH),
    call("fc_b", "call_b", "get_weather", story.OSLO),
    call("fc_c", "call_c", "get_time", story.OSLO),
]
ANSWERS = [
    answer(
        usage(90, 40, 11, 0),
        *thinking(0, "rs_1", story.FIRST_THOUGHT, "c2VjcmV0LTE="),
        *calling(1, CALLS[0]),
        *calling(2, CALLS[1]),
    ),
    answer(
        usage(150, 20, 5, 64),
        *thinking(0, "rs_2", story.SECOND_THOUGHT, "c2VjcmV0LTI="),
        *calling(1, CALLS[2]),
    ),
    answer(usage(180, 12, 0, 128), *answering(story.ANSWER)),
]


def tool(name: str, description: str) -> dict[str, Any]:
    """Return a tool as the upstream receives it."""
    parameters = json.loads(story.WEATHER_SCHEMA)
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": parameters,
        "strict": False,
    }


def sent_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return a function call as the upstream receives it again."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def sent_result(call_id: str, output: str) -> dict[str, Any]:
    """Return the result of a call as the upstream receives it."""
    return {"type": "function_call_output", "call_id": call_id, "output": output}


SHARED = {
    "model": "model-1",
    "stream": True,
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "reasoning": {"effort": "low", "summary": "auto"},
    "tools": [
        tool("get_weather", "The weather of a city."),
        tool("get_time", "The time in a city."),
    ],
}
BEGINNING = [
    {"type": "message", "role": "system", "content": story.SYSTEM},
    {"type": "message", "role": "user", "content": story.QUESTION},
]
FIRST_TURN = [
    reasoning("rs_1", story.FIRST_THOUGHT, "c2VjcmV0LTE="),
    sent_call("call_a", "get_weather", story.ZURICH),
    sent_call("call_b", "get_weather", story.OSLO),
    sent_result("call_a", story.RESULTS[0]),
    sent_result("call_b", story.RESULTS[1]),
]
SECOND_TURN = [
    reasoning("rs_2", story.SECOND_THOUGHT, "c2VjcmV0LTI="),
    sent_call("call_c", "get_time", story.OSLO),
    sent_result("call_c", story.TIME),
]
FORMAT = {
    "type": "json_schema",
    "name": "answer",
    "schema": json.loads(story.ANSWER_SCHEMA),
    "strict": True,
}

RESPONSES = Wire(
    name="responses",
    settings={"dialect": "responses", "api_key": "key-1"},
    path="/v1/responses",
    headers={"authorization": "Bearer key-1", "content-type": "application/json"},
    requests=[
        {**SHARED, "input": BEGINNING},
        {**SHARED, "input": BEGINNING + FIRST_TURN},
        {**SHARED, "input": BEGINNING + FIRST_TURN + SECOND_TURN, "text": {"format": FORMAT}},
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
