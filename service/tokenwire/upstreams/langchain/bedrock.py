"""The provider `bedrock`: the ConverseStream operation of Amazon Bedrock.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

import re
from functools import lru_cache
from typing import Any, Final

import msgspec

from tokenwire.config.providers import BedrockSettings, ProviderSettings
from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.domain import (
    ChatRequest,
    Effort,
    JsonSchema,
    Reasoning,
    Tool,
    ToolChoice,
    ToolMode,
)
from tokenwire.core.errors import InvalidParameter, UnknownModel
from tokenwire.upstreams.http.client import HttpClient
from tokenwire.upstreams.langchain.aws_signer import AwsSigner
from tokenwire.upstreams.langchain.bedrock_contents import check_parts, messages, system_blocks
from tokenwire.upstreams.langchain.bedrock_events import read_event
from tokenwire.upstreams.langchain.converse import ConverseChatModel, ConverseSender
from tokenwire.upstreams.langchain.facts import Facts
from tokenwire.upstreams.langchain.support import check_system_turns

MAX_MODELS: Final = 32
"""The number of chat models that are kept; callers may name any."""
MODEL_NAME: Final = re.compile(r"[A-Za-z0-9][\w.:/-]{0,2047}", re.ASCII)
"""A model's name or ARN is a part of the URL."""
MODES: Final = {ToolMode.AUTO: "auto", ToolMode.REQUIRED: "any"}
EFFORTS: Final = (Effort.LOW, Effort.MEDIUM, Effort.HIGH, Effort.XHIGH)
CLAUDE: Final = "anthropic."
"""A part of the names of the models that take a budget for reasoning."""


class BedrockDialect:
    """The wire format of ConverseStream. `amend` makes the body of a request.

    Args:
        settings: The address, the region and the key.
        default_model: Not needed.
        client: Sends the requests.
    """

    def __init__(self, settings: ProviderSettings, default_model: str, client: HttpClient) -> None:
        del default_model
        assert isinstance(settings, BedrockSettings)  # noqa: S101 - the provider's own
        base_url = settings.address.rstrip("/")
        self._codec = StateCodec(base_url, "bedrock")
        sender = ConverseSender(client, base_url, AwsSigner(settings.key, settings.signing_region))

        def make(name: str) -> ConverseChatModel:
            return ConverseChatModel(model=name, sender=sender)

        self._chat_model = lru_cache(MAX_MODELS)(make)

    def chat_model(self, name: str) -> ConverseChatModel:
        """Return the chat model for a model, whose name is an attribute of it."""
        return self._chat_model(name)

    def parameters(self, request: ChatRequest) -> dict[str, Any]:
        """Return no arguments, and check the request; see `ProviderDialect`."""
        if not MODEL_NAME.fullmatch(request.model):
            raise UnknownModel
        check_system_turns(request, "bedrock")
        check_parts(request)
        _reasoning(request.reasoning, request.model)
        if request.tool_choice.mode is ToolMode.NONE:
            raise InvalidParameter(
                "tool_choice.mode", "must be MODE_AUTO or MODE_REQUIRED with the provider bedrock"
            )
        return {}

    def amends(self, request: ChatRequest) -> bool:
        """Return True: the body is made by `amend`."""
        del request
        return True

    def amend(self, request: ChatRequest, body: dict[str, Any]) -> None:
        """Make the body of a request; see `ProviderDialect`."""
        body["messages"] = messages(request, self._codec)
        if system := system_blocks(request):
            body["system"] = system
        sampling = request.sampling
        inference = {
            "maxTokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "topP": sampling.top_p,
            "stopSequences": list(sampling.stop) or None,
        }
        if given := {name: value for name, value in inference.items() if value is not None}:
            body["inferenceConfig"] = given
        if request.tools:
            body["toolConfig"] = {
                "tools": [_tool(tool) for tool in request.tools],
                **_tool_choice(request.tool_choice),
            }
        fields, output = _reasoning(request.reasoning, request.model)
        if isinstance(request.format, JsonSchema):
            output["textFormat"] = _text_format(request.format)
        if fields:
            body["additionalModelRequestFields"] = fields
        if output:
            body["outputConfig"] = output

    def observe(self, event: dict[str, Any], facts: Facts) -> None:
        """Record what an event says; see `ProviderDialect`."""
        found = read_event(event, facts, self._codec)
        event.clear()
        event.update(found)


def _reasoning(reasoning: Reasoning, model: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of the model and those of `outputConfig` for reasoning."""
    effort, budget = reasoning.effort, reasoning.max_tokens
    fields: dict[str, Any] = {}
    if budget is not None:
        if CLAUDE not in model:
            raise InvalidParameter(
                "reasoning.max_tokens",
                "is supported with the provider bedrock only for models of Anthropic",
            )
        fields["thinking"] = {"type": "enabled", "budget_tokens": budget}
    if effort is None:
        return fields, {}
    if effort not in EFFORTS:
        names = ", ".join(f"EFFORT_{each.name}" for each in EFFORTS)
        raise InvalidParameter(
            "reasoning.effort", f"must be one of {names} with the provider bedrock"
        )
    return fields, {"effort": effort.value}


def _text_format(form: JsonSchema) -> dict[str, Any]:
    schema: dict[str, Any] = {"schema": form.schema}
    if form.name:
        schema["name"] = form.name
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}


def _tool(tool: Tool) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": tool.name}
    if tool.description:
        fields["description"] = tool.description
    fields["inputSchema"] = {"json": msgspec.Raw(tool.parameters.encode())}
    if tool.strict:
        fields["strict"] = True
    return {"toolSpec": fields}


def _tool_choice(choice: ToolChoice) -> dict[str, Any]:
    if choice.name:
        return {"toolChoice": {"tool": {"name": choice.name}}}
    return {"toolChoice": {MODES[choice.mode]: {}}} if choice.mode else {}
