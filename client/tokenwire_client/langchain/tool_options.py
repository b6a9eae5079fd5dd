"""Converts LangChain's tools, choices of tools and response formats to those of the contract."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokenwire_client.v1.chatgpt_pb2 import Format, JsonSchema, Tool, ToolChoice

MODES: Final[Mapping[Any, ToolChoice.Mode.ValueType]] = {
    "auto": ToolChoice.Mode.MODE_AUTO,
    "none": ToolChoice.Mode.MODE_NONE,
    "any": ToolChoice.Mode.MODE_REQUIRED,
    "required": ToolChoice.Mode.MODE_REQUIRED,
    True: ToolChoice.Mode.MODE_REQUIRED,
    False: ToolChoice.Mode.MODE_NONE,
}


def tools_of(tools: Sequence[Mapping[str, Any]]) -> list[Tool]:
    """Return the tools of the contract for tools in OpenAI's format.

    Raises:
        ValueError: A tool is not a function, such as a built-in tool of a provider.
    """
    return [_tool(tool) for tool in tools]


def _tool(tool: Mapping[str, Any]) -> Tool:
    if tool.get("type") != "function" or "function" not in tool:
        raise ValueError(
            f"tokenwire cannot send a tool of type {tool.get('type')!r}; only function"
        )
    function = tool["function"]
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        parameters=json.dumps(function.get("parameters") or {"type": "object", "properties": {}}),
        strict=bool(function.get("strict")),
    )


def tool_choice_of(
    choice: Any, tools: Sequence[Tool], *, parallel: bool | None
) -> ToolChoice | None:
    """Return the choice of tools.

    Args:
        choice: "auto", "none", "any" or "required", a tool's name, or OpenAI's
            `{"type": "function", "function": {"name": ...}}`; None: the model decides.
        tools: The tools of the request.
        parallel: Whether the model may call several tools at once.

    Raises:
        ValueError: The choice is none of these.
    """
    if isinstance(choice, Mapping):
        function = choice.get("function")
        choice = function.get("name") if isinstance(function, Mapping) else choice.get("name")
    names = [tool.name for tool in tools]
    if choice is None:
        return None if parallel is None else ToolChoice(parallel=parallel)
    # A tool may have the name of a mode.
    if isinstance(choice, str) and choice in names:
        return ToolChoice(name=choice, parallel=parallel)
    if isinstance(choice, str | bool) and choice in MODES:
        return ToolChoice(mode=MODES[choice], parallel=parallel)
    raise ValueError(
        f"tool_choice is {choice!r}; it must be auto, none, any, required or the name of a tool: "
        f"{', '.join(names)}"
    )


def format_of_response(response_format: Any) -> Format | None:
    """Return the format for a response format of OpenAI's chat completions.

    Raises:
        ValueError: It has another type than `text`, `json_object` and `json_schema`.
    """
    if response_format is None or isinstance(response_format, Format):
        return response_format
    kind = response_format.get("type") if isinstance(response_format, Mapping) else None
    match kind:
        case "text":
            return None
        case "json_object":
            return Format(json=True)
        case "json_schema":
            named = response_format["json_schema"]
            return Format(
                json_schema=JsonSchema(
                    name=named.get("name", ""),
                    schema=json.dumps(named["schema"], ensure_ascii=False),
                    strict=named.get("strict"),
                )
            )
        case _:
            raise ValueError(
                f"response_format is {response_format!r}; it must be a tokenwire Format, or an "
                "object whose type is text, json_object or json_schema"
            )
