"""Validates a request to the responses API and extracts the fields that the demo model uses."""

from typing import Any

from tokenwire_demo.answer_format import JsonFormat, parse_format
from tokenwire_demo.reasoning import parse_response_reasoning
from tokenwire_demo.request import CompletionRequest, completion_request
from tokenwire_demo.request_error import RequestError

_ABSENT = ("stop", "seed", "frequency_penalty", "presence_penalty", "max_tokens", "messages")


def parse_response_request(body: object) -> CompletionRequest:
    """Return the request in a decoded JSON body.

    Raises:
        RequestError: A field is missing or invalid, or belongs to chat completions.
    """
    if not isinstance(body, dict):
        raise RequestError("the request body must be a JSON object")
    for name in _ABSENT:
        if name in body:
            raise RequestError(f"Unsupported parameter: '{name}'", name)
    instructions = body.get("instructions")
    system = [("system", instructions)] if isinstance(instructions, str) else []
    return completion_request(
        body,
        messages=[*({"role": role, "content": text} for role, text in system), *_messages(body)],
        limits=("max_output_tokens",),
        include_usage=True,
        answer_format=_format(body.get("text")),
        reasoning=parse_response_reasoning(body),
    )


def _format(text: Any) -> JsonFormat | None:
    if text is None:
        return None
    if not isinstance(text, dict):
        raise RequestError("text must be an object", "text")
    return parse_format(text.get("format"), "text.format")


def _messages(body: dict[str, Any]) -> list[Any]:
    """Return the input as the messages of a chat completion."""
    items = body.get("input")
    if isinstance(items, str):
        return [{"role": "user", "content": items}]
    if not isinstance(items, list) or not items:
        raise RequestError("input must be a text or a non-empty list", "input")
    return [_message(item, number) for number, item in enumerate(items)]


def _message(item: Any, number: int) -> dict[str, Any]:
    match item:
        case {"type": "function_call", "call_id": str(), "name": str(), "arguments": str()}:
            function = {"name": item["name"], "arguments": item["arguments"]}
            calls = [{"id": item["call_id"], "function": function}]
            return {"role": "call", "content": None, "tool_calls": calls}
        case {"type": "function_call_output", "call_id": str(), "output": output}:
            return {"role": "tool", "content": output, "tool_call_id": item["call_id"]}
        case {"type": "reasoning"}:
            return {"role": "reasoning", "content": None}
        case {"role": str(), "content": _}:
            return dict(item)
        case _:
            raise RequestError(
                f"input[{number}] must be a message, reasoning, a function call or its output",
                f"input[{number}]",
            )
