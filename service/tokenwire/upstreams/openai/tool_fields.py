"""The fields of a chat-completions request for tools and their calls."""

from typing import Any

import msgspec

from tokenwire.core.domain import ChatRequest, Tool, ToolCall, ToolChoice


def tool_fields(request: ChatRequest) -> dict[str, Any]:
    """Return the fields for the request's tools; none if it has no tools."""
    if not request.tools:
        return {}
    return {"tools": [_tool(tool) for tool in request.tools], **_choice(request.tool_choice)}


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {
        "name": tool.name,
        "parameters": msgspec.Raw(tool.parameters.encode()),
    }
    if tool.description:
        function["description"] = tool.description
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if choice.name:
        fields["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif choice.mode:
        fields["tool_choice"] = choice.mode.value
    if choice.parallel is not None:
        fields["parallel_tool_calls"] = choice.parallel
    return fields


def call_field(call: ToolCall) -> dict[str, Any]:
    """Return a tool call in a message of the assistant."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}
