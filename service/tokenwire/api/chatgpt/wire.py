"""Converts between openai.Chatgpt messages and domain types. The functions have no side effects."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tokenwire.api.chatgpt.formats import to_format
from tokenwire.api.chatgpt.tools import to_messages, to_tool_choice, to_tools, to_turn
from tokenwire.core.domain import (
    ChatRequest,
    Completion,
    Delta,
    Effort,
    FinishReason,
    Reasoning,
    Role,
    Sampling,
    ToolChoice,
    Turn,
    Usage,
)
from tokenwire.core.errors import EmptyPrompt, InvalidParameter, UnknownModel
from tokenwire.v1 import chatgpt_pb2 as pb

MAX_STOPS = 4
MAX_NAME_BYTES = 256

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

FINISH_REASONS: Final = {
    FinishReason.STOP: pb.FINISH_REASON_STOP,
    FinishReason.LENGTH: pb.FINISH_REASON_LENGTH,
    FinishReason.TOOL_CALLS: pb.FINISH_REASON_TOOL_CALLS,
    FinishReason.OTHER: pb.FINISH_REASON_OTHER,
}


@dataclass(frozen=True, slots=True)
class Defaults:
    """The values that apply where a request does not set a field.

    Attributes:
        model: The model's name.
        temperature: The temperature, or None for the upstream's own.
        system: The system prompt, or empty for none.
        models: The models that a request may name in addition to the defaults; empty allows any.
        embedding_model: The model for embeddings, or empty for none.
    """

    model: str
    temperature: float | None = None
    system: str = ""
    models: frozenset[str] = frozenset()
    embedding_model: str = ""


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
    if not content.strip() and not (history and history[-1].role is Role.TOOL and not content):
        raise EmptyPrompt
    tools = to_tools(message.tools)
    return ChatRequest(
        content=content,
        model=_model(message.params.model, defaults),
        system=message.system if message.HasField("system") else defaults.system,
        history=history,
        sampling=_sampling(message.params, defaults),
        tools=tools,
        tool_choice=to_tool_choice(message.tool_choice, tools)
        if message.HasField("tool_choice")
        else ToolChoice(),
        reasoning=_reasoning(message.reasoning) if message.HasField("reasoning") else Reasoning(),
        format=to_format(message.format) if message.HasField("format") else None,
        set_by_caller=_set_by_caller(message, defaults),
    )


def _model(name: str, defaults: Defaults) -> str:
    if not name or name == defaults.model:
        return defaults.model
    if defaults.models and name not in defaults.models:
        raise UnknownModel
    check_name("params.model", name)
    return name


def _set_by_caller(message: pb.Message, defaults: Defaults) -> frozenset[str]:
    """Return the paths of the parameters that the caller set, except a model of the settings."""
    params = message.params
    names = {field.name for field, _ in params.ListFields()}
    if params.model == defaults.model or params.model in defaults.models:
        names.discard("model")
    paths = [f"params.{name}" for name in names]
    paths += ["tools"] * bool(message.tools)
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
        if role is Role.TOOL or turn.tool_calls or turn.tool_call_id:
            history.append(to_turn(turn, role, f"history[{index}]", called))
        else:
            history.append(Turn(role, turn.content))
    return tuple(history)


def _sampling(params: pb.Params, defaults: Defaults) -> Sampling:
    if len(params.stop) > MAX_STOPS:
        raise InvalidParameter("params.stop", f"must hold at most {MAX_STOPS} items")
    temperature = _number(params, "temperature", 0, 2)
    top_p = _number(params, "top_p", 0, 1)
    if top_p == 0:
        raise InvalidParameter("params.top_p", "must be above 0 and at most 1")
    max_tokens = params.max_tokens if params.HasField("max_tokens") else None
    if max_tokens is not None and max_tokens < 1:
        raise InvalidParameter("params.max_tokens", "must be at least 1")
    stop = tuple(params.stop)
    if not all(stop):
        raise InvalidParameter("params.stop", "must hold no empty text")
    user = params.user
    check_name("params.user", user)
    return Sampling(
        temperature=defaults.temperature if temperature is None else temperature,
        max_tokens=max_tokens,
        top_p=top_p,
        stop=stop,
        seed=params.seed if params.HasField("seed") else None,
        frequency_penalty=_number(params, "frequency_penalty", -2, 2),
        presence_penalty=_number(params, "presence_penalty", -2, 2),
        user=user,
    )


def _reasoning(reasoning: pb.Reasoning) -> Reasoning:
    if reasoning.effort not in EFFORTS:
        raise InvalidParameter("reasoning.effort", f"must be one of {', '.join(pb.Effort.keys())}")
    max_tokens = reasoning.max_tokens if reasoning.HasField("max_tokens") else None
    if max_tokens is not None and max_tokens < 1:
        raise InvalidParameter("reasoning.max_tokens", "must be at least 1")
    return Reasoning(EFFORTS[reasoning.effort], max_tokens, reasoning.show)


def _number(params: pb.Params, name: str, low: float, high: float) -> float | None:
    # The stubs require a literal name; every caller passes an existing field.
    if not params.HasField(name):  # type: ignore[arg-type]
        return None
    value: float = getattr(params, name)
    if not low <= value <= high:  # also catches NaN
        raise InvalidParameter(f"params.{name}", f"must be from {low} to {high}")
    # The wire format is a 32-bit float: 0.7 arrives as 0.699999988079071.
    return round(value, 6)


def check_name(field: str, value: str) -> None:
    """Raise InvalidParameter if a name is too long or not printable."""
    if len(value.encode()) > MAX_NAME_BYTES or not value.isprintable():
        raise InvalidParameter(field, f"must be printable and at most {MAX_NAME_BYTES} bytes")


def to_answer(event: Delta | Completion) -> pb.Answer:
    """Convert a part of the answer, or its end, to a message."""
    if isinstance(event, Delta):
        if event.reasoning or event.tool_calls:
            return pb.Answer(
                content=event.text,
                reasoning=event.reasoning,
                tool_calls=to_messages(event.tool_calls),
            )
        return pb.Answer(content=event.text)
    return pb.Answer(
        finish_reason=FINISH_REASONS[event.finish_reason],
        usage=None if event.usage is None else to_usage(event.usage),
        model=event.model,
        id=event.id,
    )


def to_usage(usage: Usage) -> pb.Usage:
    """Convert the usage of a call to a message."""
    return pb.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )
