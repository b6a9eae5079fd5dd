"""Converts openai.Message to a request. The functions have no side effects."""

from collections.abc import Iterable
from typing import Final

from tokenwire.api.chatgpt.catalog import Defaults
from tokenwire.api.chatgpt.formats import to_format
from tokenwire.api.chatgpt.parts import to_parts
from tokenwire.api.chatgpt.sampling import check_name, to_sampling
from tokenwire.api.chatgpt.tools import to_tool_choice, to_tools, to_turn
from tokenwire.core.domain import (
    ChatRequest,
    Effort,
    Reasoning,
    Role,
    ToolChoice,
    Turn,
)
from tokenwire.core.errors import EmptyPrompt, InvalidParameter, UnknownModel
from tokenwire.v1 import chatgpt_pb2 as pb

ROLES: Final = {
    pb.ROLE_USER: Role.USER,
    pb.ROLE_ASSISTANT: Role.ASSISTANT,
    pb.ROLE_TOOL: Role.TOOL,
    pb.ROLE_SYSTEM: Role.SYSTEM,
}

MESSAGE_FIELDS: Final = ("tool_choice", "format")
"""Fields outside of `params` and `reasoning` that an upstream may reject. ListFields would decode
the prompt."""

EFFORTS: Final = {
    pb.EFFORT_UNSPECIFIED: None,
    pb.EFFORT_NONE: Effort.NONE,
    pb.EFFORT_MINIMAL: Effort.MINIMAL,
    pb.EFFORT_LOW: Effort.LOW,
    pb.EFFORT_MEDIUM: Effort.MEDIUM,
    pb.EFFORT_HIGH: Effort.HIGH,
    pb.EFFORT_XHIGH: Effort.XHIGH,
}


def to_request(message: pb.Message, defaults: Defaults) -> ChatRequest:
    """Validate `message` and apply `defaults`.

    Raises:
        EmptyPrompt: The content is empty or blank.
        InvalidParameter: A field is out of range; the error names it.
        UnknownModel: The service does not offer the model.
    """
    # Read once: protobuf decodes the string at each access.
    content = message.content
    history = _history(message.history)
    parts = to_parts(message.parts, "parts") if message.parts else ()
    has_other_input = bool(parts) or bool(history and history[-1].role is Role.TOOL)
    if not content.strip() and (content or not has_other_input):
        raise EmptyPrompt
    tools = to_tools(message.tools)
    return ChatRequest(
        content=content,
        model=_model(message.params.model, defaults),
        system=message.system if message.HasField("system") else defaults.system,
        history=history,
        parts=parts,
        sampling=to_sampling(message.params, defaults.temperature),
        tools=tools,
        tool_choice=to_tool_choice(message.tool_choice, tools)
        if message.HasField("tool_choice")
        else ToolChoice(),
        reasoning=_reasoning(message.reasoning) if message.HasField("reasoning") else Reasoning(),
        format=to_format(message.format) if message.HasField("format") else None,
        stream_tool_calls=message.stream_tool_calls,
        show_progress=message.show_progress,
        set_by_caller=_set_by_caller(
            message, defaults, has_parts=bool(parts) or any(turn.parts for turn in history)
        ),
    )


def _model(name: str, defaults: Defaults) -> str:
    name = defaults.aliases.get(name, name)
    if not name or name == defaults.model:
        return defaults.model
    if defaults.models and name not in defaults.models:
        raise UnknownModel
    check_name("params.model", name)
    return name


def _set_by_caller(message: pb.Message, defaults: Defaults, *, has_parts: bool) -> frozenset[str]:
    """Return the paths of the parameters that the caller set, except a model of the settings."""
    params = message.params
    names = {field.name for field, _ in params.ListFields()}
    known = (defaults.model, *defaults.aliases)
    if params.model in known or params.model in defaults.models:
        names.discard("model")
    paths = [f"params.{name}" for name in names]
    paths += ["tools"] * bool(message.tools) + ["parts"] * has_parts
    paths += ["history"] * bool(message.history)
    paths += [name for name in MESSAGE_FIELDS if message.HasField(name)]
    if message.HasField("reasoning"):
        paths += [f"reasoning.{field.name}" for field, _ in message.reasoning.ListFields()]
    return frozenset(paths)


def _history(turns: Iterable[pb.Turn]) -> tuple[Turn, ...]:
    called: set[str] = set()
    history = []
    for index, turn in enumerate(turns):
        role = ROLES.get(turn.role)
        if role is None:
            names = ", ".join(pb.Role.Name(each) for each in ROLES)
            raise InvalidParameter(f"history[{index}].role", f"must be one of {names}")
        if (
            role is Role.TOOL
            or turn.tool_calls
            or turn.tool_call_id
            or turn.parts
            or turn.reasoning
            or turn.state
        ):
            history.append(to_turn(turn, role, f"history[{index}]", called))
        else:
            history.append(Turn(role, turn.content))
    return tuple(history)


def _reasoning(reasoning: pb.Reasoning) -> Reasoning:
    if reasoning.effort not in EFFORTS:
        raise InvalidParameter("reasoning.effort", f"must be one of {', '.join(pb.Effort.keys())}")
    max_tokens = reasoning.max_tokens if reasoning.HasField("max_tokens") else None
    if max_tokens is not None and max_tokens < 1:
        raise InvalidParameter("reasoning.max_tokens", "must be at least 1")
    return Reasoning(EFFORTS[reasoning.effort], max_tokens, reasoning.show)
