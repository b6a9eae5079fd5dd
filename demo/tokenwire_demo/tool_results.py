"""The tool calls and their results in the messages of a conversation."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool call.

    Attributes:
        name: The tool's name, or "a tool" if no message has the call.
        text: The result.
    """

    name: str
    text: str


def calls_of(message: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the id, the name and the arguments of each well-formed call in a message."""
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        match call:
            case {"id": str(own), "function": {"name": str(name), "arguments": str(arguments)}}:
                yield own, name, arguments


def last_results(messages: list[Any], texts: list[str]) -> tuple[ToolResult, ...]:
    """Return the results at the end of a conversation; none if it ends with another message.

    Args:
        messages: The messages.
        texts: The text of each message.
    """
    first = len(messages)
    while first and messages[first - 1]["role"] == "tool":
        first -= 1
    names = {own: name for message in messages for own, name, _ in calls_of(message)}
    return tuple(
        ToolResult(_name(names, message), text)
        for message, text in zip(messages[first:], texts[first:], strict=True)
    )


def _name(names: dict[str, str], message: Any) -> str:
    own = message.get("tool_call_id")
    return names.get(own, "a tool") if isinstance(own, str) else "a tool"
