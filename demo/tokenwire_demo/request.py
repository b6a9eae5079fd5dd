"""Validates a chat-completions request and extracts the fields that the demo model uses."""

import re
from dataclasses import dataclass
from typing import Any

from tokenwire_demo.answer_format import JsonFormat, parse_format
from tokenwire_demo.data import descriptions
from tokenwire_demo.reasoning import NO_REASONING, RequestedReasoning, parse_chat_reasoning
from tokenwire_demo.request_error import RequestError
from tokenwire_demo.tool_results import ToolResult, calls_of, last_results
from tokenwire_demo.tools import NO_TOOLS, Toolbox, parse_toolbox

_PLAN = re.compile(r"\[\[demo:(.*?)\]\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """The used fields of a request."""

    model: str
    texts: tuple[str, ...]
    """The text of every message, oldest first. Its tokens are the prompt tokens of the usage."""
    prompt: str
    """The text of the last user message, without its plan."""
    data: tuple[str, ...]
    """What each image, audio or file of the last user message is."""
    plan: str | None
    """The text of the plan in the last user message, or in the tool result after it."""
    system: str | None
    earlier_turns: int
    """The number of user and assistant messages before the last user message."""
    stream: bool
    include_usage: bool
    max_tokens: int | None
    stop: tuple[str, ...]
    format: JsonFormat | None = None
    reasoning: RequestedReasoning = NO_REASONING
    toolbox: Toolbox = NO_TOOLS
    earlier_calls: int = 0
    """The number of tool calls in the conversation."""
    results: tuple[ToolResult, ...] = ()
    """The results of tools after the last message of the model."""


def parse_request(body: object) -> CompletionRequest:
    """Return the request in a decoded JSON body.

    Raises:
        RequestError: A field is missing or invalid.
    """
    if not isinstance(body, dict):
        raise RequestError("the request body must be a JSON object")
    if body.get("n") not in (None, 1):
        raise RequestError(
            f"n must be 1, because the demo model returns one choice, got {body['n']!r}"
        )
    options = body.get("stream_options")
    return completion_request(
        body,
        messages=body.get("messages"),
        limits=("max_completion_tokens", "max_tokens"),
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        answer_format=parse_format(body.get("response_format"), "response_format"),
        reasoning=parse_chat_reasoning(body),
    )


def completion_request(  # noqa: PLR0913 - what the two APIs name differently
    body: dict[str, Any],
    *,
    messages: Any,
    limits: tuple[str, ...],
    include_usage: bool,
    answer_format: JsonFormat | None,
    reasoning: RequestedReasoning,
) -> CompletionRequest:
    """Return the request in a decoded JSON body of either API.

    Args:
        body: The body.
        messages: The messages of the conversation, in the form of chat completions.
        limits: The names of the limit of output tokens, the strongest first.
        include_usage: Whether the answer has the usage.
        answer_format: The form of the answer's text.
        reasoning: The reasoning of the answer.

    Raises:
        RequestError: A field is missing or invalid.
    """
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise RequestError(f"model must be a non-empty string, got {model!r}")
    turns = _turns(messages)
    last_user = max((i for i, (role, _) in enumerate(turns) if role == "user"), default=len(turns))
    content = messages[last_user].get("content") if last_user < len(turns) else None
    system = [text for role, text in turns if role in ("system", "developer")]
    prompt = turns[last_user][1] if last_user < len(turns) else ""
    calls = [call for message in messages for call in calls_of(message)]
    results = last_results(messages, [text for _, text in turns])
    return CompletionRequest(
        model=clean(model),
        texts=(*(text for _, text in turns), *(clean(arguments) for _, _, arguments in calls)),
        prompt=_PLAN.sub("", prompt, count=1),
        data=descriptions(content),
        # A plan is for the answer to its message, not for those to the results of its calls.
        plan=find_plan(results[-1].text if results else prompt),
        system="\n".join(system) if system else None,
        earlier_turns=sum(role in ("user", "assistant") for role, _ in turns[:last_user]),
        stream=body.get("stream") is True,
        include_usage=include_usage,
        max_tokens=_max_tokens(body, limits),
        stop=_stop(body.get("stop")),
        format=answer_format,
        reasoning=reasoning,
        toolbox=parse_toolbox(body),
        earlier_calls=len(calls),
        results=results,
    )


def find_plan(text: str) -> str | None:
    """Return the text of the plan in a text, or None."""
    found = _PLAN.search(text)
    return found[1] if found else None


def _turns(messages: Any) -> list[tuple[str, str]]:
    if not isinstance(messages, list) or not messages:
        raise RequestError("messages must be a non-empty list")
    turns = []
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise RequestError(f"messages[{number}] must be an object with a role")
        turns.append((message["role"], _content(message.get("content"), number)))
    return turns


def _content(content: Any, number: int) -> str:
    match content:
        case None:
            return ""
        case str():
            return clean(content)
        case list():
            texts = [part.get("text") for part in content if isinstance(part, dict)]
            return clean("".join(text for text in texts if isinstance(text, str)))
        case _:
            raise RequestError(f"messages[{number}].content must be a string or a list of parts")


def clean(text: str) -> str:
    """Replace lone surrogates, which JSON can encode and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _max_tokens(body: dict[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise RequestError(f"{name} must be a whole number of at least 1, got {value!r}")
        return value
    return None


def _stop(stop: Any) -> tuple[str, ...]:
    strings = [stop] if isinstance(stop, str) else ([] if stop is None else stop)
    if not isinstance(strings, list) or not all(isinstance(one, str) for one in strings):
        raise RequestError(f"stop must be a string or a list of strings, got {stop!r}")
    return tuple(one for one in strings if one)
