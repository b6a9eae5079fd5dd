"""Converts the tools of a request and the form of its answer."""

from typing import Final

import msgspec

from tokenwire.api.aiplatform.members import JsonMembers
from tokenwire.api.aiplatform.untranslated import Untranslated
from tokenwire.api.chatgpt.tools import MAX_TOOLS
from tokenwire.core.errors import InvalidParameter
from tokenwire.v1 import chatgpt_pb2

FUNCTION: Final = "function"
MODES: Final = {
    "auto": chatgpt_pb2.ToolChoice.MODE_AUTO,
    "none": chatgpt_pb2.ToolChoice.MODE_NONE,
    "required": chatgpt_pb2.ToolChoice.MODE_REQUIRED,
}


def add_tools(body: JsonMembers, to: chatgpt_pb2.Message, untranslated: Untranslated) -> None:
    """Add the tools of a request, and whether and which of them the model calls.

    A tool of another kind than a function is replaced by a function without parameters.

    Args:
        body: The body.
        to: Receives the tools.
        untranslated: Receives the paths of what cannot be translated.

    Raises:
        InvalidParameter: A tool is invalid; the error names what is.
    """
    tools = body.items("tools") or []
    if len(tools) > MAX_TOOLS:
        raise InvalidParameter("tools", f"must hold at most {MAX_TOOLS} items")
    for index, each in enumerate(tools):
        tool = JsonMembers(each, f"tools[{index}]")
        kind = tool.text("type")
        if kind != FUNCTION:
            if kind is None:
                raise InvalidParameter(tool.path("type"), "must be set")
            untranslated.add(tool.path("type"))
            to.tools.add(name=f"untranslated_{index}")
            continue
        function = JsonMembers(tool.take(FUNCTION), tool.path(FUNCTION))
        parameters = function.take("parameters")
        to.tools.add(
            name=function.text("name") or "",
            description=function.text("description") or "",
            parameters="" if parameters is None else msgspec.json.encode(parameters).decode(),
            strict=function.flag("strict") or False,
        )
        untranslated.extend(function.rest())
        untranslated.extend(tool.rest())
    _add_choice(body, to, untranslated)
    parallel = body.flag("parallel_tool_calls")
    if parallel is not None:
        if not tools:
            raise InvalidParameter("parallel_tool_calls", "must not be set without tools")
        to.tool_choice.parallel = parallel


def _add_choice(body: JsonMembers, to: chatgpt_pb2.Message, untranslated: Untranslated) -> None:
    choice = body.take("tool_choice")
    if choice is None:
        return
    if not to.tools:
        raise InvalidParameter("tool_choice", "must not be set without tools")
    if isinstance(choice, str):
        if choice in MODES:
            to.tool_choice.mode = MODES[choice]
        else:
            untranslated.add("tool_choice")
        return
    members = JsonMembers(choice, "tool_choice")
    if members.text("type") != FUNCTION:
        untranslated.add("tool_choice.type")
        return
    function = JsonMembers(members.take(FUNCTION), members.path(FUNCTION))
    to.tool_choice.name = function.text("name") or ""
    untranslated.extend(function.rest())
    untranslated.extend(members.rest())


def add_format(body: JsonMembers, to: chatgpt_pb2.Message, untranslated: Untranslated) -> None:
    """Add the form of the answer's text; see `add_tools`."""
    form = body.object("response_format")
    if form is None:
        return
    match form.text("type"):
        case "text":
            pass
        case "json_object":
            to.format.json = True
        case "json_schema":
            schema = JsonMembers(form.take("json_schema"), form.path("json_schema"))
            encoded = schema.take("schema")
            to.format.json_schema.name = schema.text("name") or ""
            to.format.json_schema.schema = msgspec.json.encode(encoded).decode()
            strict = schema.flag("strict")
            if strict is not None:
                to.format.json_schema.strict = strict
            untranslated.extend(schema.rest())
        case None:
            raise InvalidParameter(form.path("type"), "must be set")
        case _:
            untranslated.add(form.path("type"))
            return
    untranslated.extend(form.rest())
