"""The provider `google-genai`: Google's Gemini API."""

import logging
import re
from functools import lru_cache
from typing import Any, Final, Self

import httpx
import msgspec
from google.genai.client import Client, DebugConfig
from google.genai.types import HttpOptions, HttpRetryOptions
from langchain_google_genai import ChatGoogleGenerativeAI
from pydantic import model_validator

from tokenwire.config.providers import ProviderSettings
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
from tokenwire.upstreams.langchain.facts import Facts
from tokenwire.upstreams.langchain.framing import UnnamedEvents
from tokenwire.upstreams.langchain.google_contents import contents, system_instruction
from tokenwire.upstreams.langchain.google_events import read_event
from tokenwire.upstreams.langchain.support import check_system_turns
from tokenwire.upstreams.langchain.transport import Transport

MAX_MODELS: Final = 32
"""The number of chat models that are kept; callers may name any."""
LOGGERS: Final = ("google_genai", "langchain_google_genai", "httpx")
"""Loggers that write a line for each request."""
API_VERSION: Final = "v1beta"
MODEL_NAME: Final = re.compile(r"(?:(?:models|tunedModels)/)?[\w-]+(?:\.[\w-]+)*", re.ASCII)
"""A model's name is a part of the URL."""

MODES: Final = {ToolMode.AUTO: "AUTO", ToolMode.NONE: "NONE", ToolMode.REQUIRED: "ANY"}
LEVELS: Final = (Effort.MINIMAL, Effort.LOW, Effort.MEDIUM, Effort.HIGH)


class GeminiChatModel(ChatGoogleGenerativeAI):
    """The package's chat model, with a client that all models share.

    `client` must be set before it is used.
    """

    @model_validator(mode="after")
    def validate_environment(self) -> Self:
        """Do nothing, where the package creates a client that loads authorities."""
        return self

    @property
    def async_client(self) -> Any:
        """The shared client, which the package would close with the event loop."""
        return self.client.aio if self.client else None


class GoogleDialect:
    """Google's package and wire format.

    The package builds the request from its own view of the conversation: it loses the ids of calls,
    parts of schemas, and results of calls with the same id. So `amend` replaces the body.

    Args:
        settings: The address and the key.
        default_model: Not needed.
        client: Sends the requests.
    """

    def __init__(self, settings: ProviderSettings, default_model: str, client: HttpClient) -> None:
        del default_model
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        base_url = str(settings.base_url).rstrip("/")
        self._codec = StateCodec(base_url, "google-genai")
        transport: Any = Transport(client, httpx, UnnamedEvents)
        sender = Client(
            # Explicit, so that no variable of the package applies.
            vertexai=False,
            api_key=key,
            debug_config=DebugConfig(client_mode=None, replays_directory=None, replay_id=None),
            http_options=HttpOptions(
                base_url=base_url,
                api_version=API_VERSION,
                retry_options=HttpRetryOptions(attempts=1),
                httpx_async_client=httpx.AsyncClient(transport=transport, trust_env=False),
                # Never used; the package would create one that loads authorities.
                httpx_client=httpx.Client(transport=httpx.BaseTransport(), trust_env=False),
            ),
        )

        def make(name: str) -> GeminiChatModel:
            chat_model = GeminiChatModel(
                model=name, api_key=key, base_url=base_url, vertexai=False, max_retries=1
            )
            chat_model.client = sender
            return chat_model

        self._chat_model = lru_cache(MAX_MODELS)(make)

    def chat_model(self, name: str) -> GeminiChatModel:
        """Return the chat model for a model, whose name is an attribute of it."""
        return self._chat_model(name)

    def parameters(self, request: ChatRequest) -> dict[str, Any]:
        """Return the arguments of `_astream`; see `ProviderDialect`."""
        if not MODEL_NAME.fullmatch(request.model):
            raise UnknownModel
        check_system_turns(request, "google-genai")
        _thinking(request.reasoning)
        # Otherwise the package looks for functions that it could call itself.
        return {"automatic_function_calling": {"disable": True}}

    def amends(self, request: ChatRequest) -> bool:
        """Return True: the body is replaced."""
        del request
        return True

    def amend(self, request: ChatRequest, body: dict[str, Any]) -> None:
        """Replace the body of a request; see `ProviderDialect`."""
        body.clear()
        body["contents"] = contents(request, self._codec)
        if instruction := system_instruction(request):
            body["systemInstruction"] = instruction
        if request.tools:
            body["tools"] = [{"functionDeclarations": [_tool(tool) for tool in request.tools]}]
            body |= _tool_config(request.tool_choice)
        if config := _generation_config(request):
            body["generationConfig"] = config

    def observe(self, event: dict[str, Any], facts: Facts) -> None:
        """Record what an event says; see `ProviderDialect`."""
        parts = read_event(event, facts, self._codec)
        # The package's types reject events over fields that have no meaning here.
        event.clear()
        event["candidates"] = [{"content": {"role": "model", "parts": parts}}]


def _generation_config(request: ChatRequest) -> dict[str, Any]:
    sampling = request.sampling
    config: dict[str, Any] = {
        "temperature": sampling.temperature,
        "maxOutputTokens": sampling.max_tokens,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "stopSequences": list(sampling.stop) or None,
        "seed": sampling.seed,
        "frequencyPenalty": sampling.frequency_penalty,
        "presencePenalty": sampling.presence_penalty,
        "thinkingConfig": _thinking(request.reasoning) or None,
        "responseMimeType": "application/json" if request.format else None,
    }
    if isinstance(request.format, JsonSchema):
        config["responseJsonSchema"] = msgspec.Raw(request.format.schema.encode())
    return {name: value for name, value in config.items() if value is not None}


def _thinking(reasoning: Reasoning) -> dict[str, Any]:
    """Return the fields for reasoning. Only reasoning that is asked for can be shown."""
    effort, budget = reasoning.effort, reasoning.max_tokens
    fields: dict[str, Any] = {}
    if budget is not None:
        fields["thinkingBudget"] = budget
    if effort is Effort.NONE:
        return {"thinkingBudget": 0}
    if effort is not None:
        if effort not in LEVELS:
            names = ", ".join(f"EFFORT_{each.name}" for each in (Effort.NONE, *LEVELS))
            raise InvalidParameter(
                "reasoning.effort", f"must be one of {names} with the provider google-genai"
            )
        fields["thinkingLevel"] = effort.value
    if fields or reasoning.show:
        # Silence would count as a stall.
        fields["includeThoughts"] = True
    return fields


def _tool(tool: Tool) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": tool.name}
    if tool.description:
        fields["description"] = tool.description
    fields["parametersJsonSchema"] = msgspec.Raw(tool.parameters.encode())
    return fields


def _tool_config(choice: ToolChoice) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if choice.name:
        fields = {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    elif choice.mode:
        fields = {"mode": MODES[choice.mode]}
    return {"toolConfig": {"functionCallingConfig": fields}} if fields else {}
