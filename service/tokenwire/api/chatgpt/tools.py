"""Converts the tools, the tool calls and the tool results of a request."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from tokenwire.api.chatgpt.json_objects import MAX_SCHEMA_BYTES, check_object, check_schema
from tokenwire.api.chatgpt.parts import to_parts
from tokenwire.core.conversation_state import MAX_CALL_STATE_BYTES, MAX_STATE_BYTES
from tokenwire.core.domain import Role, Tool, ToolCall, ToolChoice, ToolMode, Turn
from tokenwire.core.errors import InvalidParameter
from tokenwire.v1 import chatgpt_pb2 as pb

MAX_TOOLS: Final = 128
MAX_TOOL_CALLS: Final = 128
"""The most tool calls in one turn."""
MAX_ID_BYTES: Final = 256
ROLES_WITH_PARTS: Final = (Role.USER, Role.TOOL)

NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
NAME_RULE: Final = "must be 1 to 64 letters, digits, hyphens and underscores"
NO_PARAMETERS: Final = '{"type":"object","properties":{}}'
MODES: Final = {
    pb.ToolChoice.MODE_UNSPECIFIED: None,
    pb.ToolChoice.MODE_AUTO: ToolMode.AUTO,
    pb.ToolChoice.MODE_NONE: ToolMode.NONE,
    pb.ToolChoice.MODE_REQUIRED: ToolMode.REQUIRED,
}


def to_tools(tools: Sequence[pb.Tool]) -> tuple[Tool, ...]:
    """Return the tools of a request.

    Raises:
        InvalidParameter: A tool is invalid; the error names its field.
    """
    _check_length("tools", tools, MAX_TOOLS)
    names: set[str] = set()
    size = 0
    found = []
    for index, tool in enumerate(tools):
        field = f"tools[{index}]"
        if not NAME.fullmatch(tool.name):
            raise InvalidParameter(f"{field}.name", NAME_RULE)
        if tool.name in names:
            raise InvalidParameter(f"{field}.name", "must differ from the names of other tools")
        names.add(tool.name)
        size += len(tool.parameters.encode())
        if size > MAX_SCHEMA_BYTES:
            description = f"must hold at most {MAX_SCHEMA_BYTES} bytes in all tools together"
            raise InvalidParameter(f"{field}.parameters", description)
        parameters = tool.parameters or NO_PARAMETERS
        check_schema(f"{field}.parameters", parameters)
        found.append(Tool(tool.name, tool.description, parameters, tool.strict))
    return tuple(found)


def _check_length(field: str, items: Sequence[object], limit: int) -> None:
    if len(items) > limit:
        raise InvalidParameter(field, f"must hold at most {limit} items")


def to_tool_choice(choice: pb.ToolChoice, tools: Sequence[Tool]) -> ToolChoice:
    """Return the tool choice of a request.

    Raises:
        InvalidParameter: The choice is invalid, or there are no tools.
    """
    if not tools:
        raise InvalidParameter("tool_choice", "must not be set without tools")
    if choice.mode not in MODES:
        names = ", ".join(pb.ToolChoice.Mode.keys())
        raise InvalidParameter("tool_choice.mode", f"must be one of {names}")
    if choice.HasField("name") and choice.name not in {tool.name for tool in tools}:
        raise InvalidParameter("tool_choice.name", "must be the name of one of the tools")
    return ToolChoice(
        MODES[choice.mode], choice.name, choice.parallel if choice.HasField("parallel") else None
    )


def to_turn(turn: pb.Turn, role: Role, field: str, called: set[str]) -> Turn:
    """Return a turn of the history.

    Args:
        turn: The turn.
        role: Its author.
        field: The path of the turn, for errors.
        called: The ids of all tool calls in earlier turns, to which those of this one are added.

    Raises:
        InvalidParameter: The turn is invalid; the error names its field.
    """
    if turn.tool_calls and role is not Role.ASSISTANT:
        raise InvalidParameter(f"{field}.tool_calls", "must be set with ROLE_ASSISTANT only")
    if turn.reasoning and role is not Role.ASSISTANT:
        raise InvalidParameter(f"{field}.reasoning", "must be set with ROLE_ASSISTANT only")
    if turn.state and role is not Role.ASSISTANT:
        raise InvalidParameter(f"{field}.state", "must be set with ROLE_ASSISTANT only")
    _check_state(turn.state, f"{field}.state", MAX_STATE_BYTES)
    if role is Role.TOOL and turn.tool_call_id not in called:
        raise InvalidParameter(f"{field}.tool_call_id", "must be the id of an earlier tool call")
    if turn.parts and role not in ROLES_WITH_PARTS:
        raise InvalidParameter(f"{field}.parts", "must be set with ROLE_USER or ROLE_TOOL only")
    if turn.tool_call_id and role is not Role.TOOL:
        raise InvalidParameter(f"{field}.tool_call_id", "must be set with ROLE_TOOL only")
    _check_length(f"{field}.tool_calls", turn.tool_calls, MAX_TOOL_CALLS)
    calls = tuple(
        _tool_call(call, f"{field}.tool_calls[{index}]", index)
        for index, call in enumerate(turn.tool_calls)
    )
    called.update(call.id for call in calls)
    parts = to_parts(turn.parts, f"{field}.parts")
    return Turn(role, turn.content, calls, turn.tool_call_id, parts, turn.reasoning, turn.state)


def _tool_call(call: pb.ToolCall, field: str, index: int) -> ToolCall:
    if not call.id or len(call.id.encode()) > MAX_ID_BYTES:
        raise InvalidParameter(f"{field}.id", f"must be 1 to {MAX_ID_BYTES} bytes")
    if not call.name:
        raise InvalidParameter(f"{field}.name", "must not be empty")
    arguments = call.arguments or "{}"
    check_object(f"{field}.arguments", arguments)
    _check_state(call.state, f"{field}.state", MAX_CALL_STATE_BYTES)
    return ToolCall(call.id, call.name, arguments, index, call.state)


def _check_state(state: bytes, field: str, limit: int) -> None:
    if len(state) > limit:
        raise InvalidParameter(field, f"must be at most {limit} bytes")


def to_messages(calls: Iterable[ToolCall]) -> list[pb.ToolCall]:
    """Return the messages of tool calls in an answer."""
    return [
        pb.ToolCall(
            id=each.id,
            name=each.name,
            arguments=each.arguments,
            state=each.state,
            index=each.index,
        )
        for each in calls
    ]
