"""Converts a request to a message of the service's contract, whose rules then apply to it."""

from typing import Final

from tokenwire.api.field_names import MessagePlaces
from tokenwire.api.xai.conversation import add_conversation
from tokenwire.core.errors import InvalidParameter
from tokenwire.v1 import chatgpt_pb2
from tokenwire.xai.v1 import xai_pb2 as pb

OPTIONAL_PARAMS: Final = (
    "frequency_penalty",
    "presence_penalty",
    "temperature",
    "top_p",
    "max_tokens",
    "seed",
)
"""Fields that openai.Params has by the same names, with presence."""
EFFORTS: Final = {
    pb.EFFORT_LOW: chatgpt_pb2.EFFORT_LOW,
    pb.EFFORT_MEDIUM: chatgpt_pb2.EFFORT_MEDIUM,
    pb.EFFORT_HIGH: chatgpt_pb2.EFFORT_HIGH,
    pb.EFFORT_NONE: chatgpt_pb2.EFFORT_NONE,
    pb.EFFORT_XHIGH: chatgpt_pb2.EFFORT_XHIGH,
}
MODES: Final = {
    pb.TOOL_MODE_AUTO: chatgpt_pb2.ToolChoice.MODE_AUTO,
    pb.TOOL_MODE_NONE: chatgpt_pb2.ToolChoice.MODE_NONE,
    pb.TOOL_MODE_REQUIRED: chatgpt_pb2.ToolChoice.MODE_REQUIRED,
}
FORMATS: Final = (
    pb.FORMAT_TYPE_TEXT,
    pb.FORMAT_TYPE_JSON_OBJECT,
    pb.FORMAT_TYPE_JSON_SCHEMA,
)
TIERS: Final = {
    pb.SERVICE_TIER_UNSPECIFIED: chatgpt_pb2.SERVICE_TIER_UNSPECIFIED,
    pb.SERVICE_TIER_DEFAULT: chatgpt_pb2.SERVICE_TIER_DEFAULT,
    pb.SERVICE_TIER_PRIORITY: chatgpt_pb2.SERVICE_TIER_PRIORITY,
}


def to_message(request: pb.GetCompletionsRequest) -> tuple[chatgpt_pb2.Message, MessagePlaces]:
    """Return the message that asks for the same, and where the request's messages are in it.

    Raises:
        InvalidParameter: A field has a value that the message cannot have; the error names it.
    """
    if request.HasField("n") and request.n != 1:
        raise InvalidParameter("n", "must be 1")
    message = chatgpt_pb2.Message()
    places = add_conversation(request.messages, message)
    _add_params(request, message.params)
    if request.HasField("reasoning_effort"):
        effort = EFFORTS.get(request.reasoning_effort)
        if effort is None:
            names = ", ".join(map(pb.ReasoningEffort.Name, EFFORTS))
            raise InvalidParameter("reasoning_effort", f"must be one of {names}")
        message.reasoning.effort = effort
        # Asking for it can need more rights at the upstream, so the caller must be able not to.
        message.reasoning.show = effort != chatgpt_pb2.EFFORT_NONE
    if request.HasField("response_format"):
        _add_format(request.response_format, message)
    _add_tools(request, message)
    return message, places


def _add_params(request: pb.GetCompletionsRequest, params: chatgpt_pb2.Params) -> None:
    params.model = request.model
    params.user = request.user
    params.stop.extend(request.stop)
    for name in OPTIONAL_PARAMS:
        if request.HasField(name):
            setattr(params, name, getattr(request, name))
    if request.HasField("top_logprobs"):
        if not request.logprobs:
            raise InvalidParameter("top_logprobs", "must not be set without `logprobs`")
        params.top_logprobs = request.top_logprobs
    elif request.logprobs:
        params.top_logprobs = 0
    if request.service_tier not in TIERS:
        names = ", ".join(map(pb.ServiceTier.Name, TIERS))
        raise InvalidParameter("service_tier", f"must be one of {names}")
    params.service_tier = TIERS[request.service_tier]


def _add_format(form: pb.ResponseFormat, message: chatgpt_pb2.Message) -> None:
    kind = form.format_type
    if kind not in FORMATS:
        names = ", ".join(map(pb.FormatType.Name, FORMATS))
        raise InvalidParameter("response_format.format_type", f"must be one of {names}")
    if kind == pb.FORMAT_TYPE_JSON_SCHEMA:
        # Not `strict`: upstreams require `additionalProperties` then, which the schemas of
        # clients do not have.
        message.format.json_schema.schema = form.schema
        return
    if form.HasField("schema"):
        description = "must be set with FORMAT_TYPE_JSON_SCHEMA only"
        raise InvalidParameter("response_format.schema", description)
    if kind == pb.FORMAT_TYPE_JSON_OBJECT:
        message.format.json = True


def _add_tools(request: pb.GetCompletionsRequest, message: chatgpt_pb2.Message) -> None:
    for index, tool in enumerate(request.tools):
        if tool.WhichOneof("tool") is None:
            raise InvalidParameter(f"tools[{index}].function", "must be set")
        function = tool.function
        message.tools.add(
            name=function.name,
            description=function.description,
            parameters=function.parameters,
            strict=function.strict,
        )
    if request.HasField("tool_choice"):
        if not request.tools:
            raise InvalidParameter("tool_choice", "must not be set without tools")
        _add_choice(request.tool_choice, message.tool_choice)
    if request.HasField("parallel_tool_calls"):
        if not request.tools:
            raise InvalidParameter("parallel_tool_calls", "must not be set without tools")
        message.tool_choice.parallel = request.parallel_tool_calls


def _add_choice(choice: pb.ToolChoice, to: chatgpt_pb2.ToolChoice) -> None:
    match choice.WhichOneof("tool_choice"):
        case "mode":
            if choice.mode not in MODES:
                names = ", ".join(map(pb.ToolMode.Name, MODES))
                raise InvalidParameter("tool_choice.mode", f"must be one of {names}")
            to.mode = MODES[choice.mode]
        case "function_name":
            to.name = choice.function_name
        case _:
            raise InvalidParameter("tool_choice", "must have `mode` or `function_name` set")
