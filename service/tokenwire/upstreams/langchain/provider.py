"""What is known of the providers that are held to the failure table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from langchain_core.language_models import BaseChatModel

from tokenwire.config.providers import ProviderSettings
from tokenwire.core.domain import ChatRequest
from tokenwire.upstreams.http.client import HttpClient
from tokenwire.upstreams.langchain.facts import Facts


class ProviderDialect(Protocol):
    """What a provider's package and its wire format need.

    It is created with the provider's settings, the default model and the HTTP client.
    """

    def chat_model(self, name: str) -> BaseChatModel:
        """Return the chat model for a model of the provider."""
        ...

    def parameters(self, request: ChatRequest) -> dict[str, Any]:
        """Return the arguments of `_astream` for a request.

        Raises:
            InvalidParameter: The provider lacks a value that is set.
        """
        ...

    def amends(self, request: ChatRequest) -> bool:
        """Report whether `amend` changes the body of a request."""
        ...

    def amend(self, request: ChatRequest, body: dict[str, Any]) -> None:
        """Restore in the body of a request what the package drops."""
        ...

    def observe(self, event: dict[str, Any], facts: Facts) -> None:
        """Record what an event of the response says, and remove what the package must not see.

        Raises:
            ServiceError: The event is invalid.
        """
        ...


ProviderDialectClass: TypeAlias = Callable[[ProviderSettings, str, HttpClient], ProviderDialect]


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that is held to the failure table.

    Every answer must have a finish reason, and the package's own retries have no effect.

    Attributes:
        package: The module of the package that the dialect needs, most often LangChain's; the extra
            of the provider's name has it.
        needs_key: Whether the key is required.
        fields: The contract's fields that the provider takes, each with the provider's name for
            it. All others are rejected.
        load: Imports the package and returns the class of the dialect.

    Raises:
        ImportError: From `load`: the package is not installed.
    """

    package: str
    needs_key: bool
    fields: Mapping[str, str]
    load: Callable[[], ProviderDialectClass]


def _anthropic() -> ProviderDialectClass:
    from tokenwire.upstreams.langchain.anthropic import AnthropicDialect  # noqa: PLC0415 - optional

    return AnthropicDialect


def _bedrock() -> ProviderDialectClass:
    from tokenwire.upstreams.langchain.bedrock import BedrockDialect  # noqa: PLC0415 - optional

    return BedrockDialect


def _google_genai() -> ProviderDialectClass:
    from tokenwire.upstreams.langchain.google_genai import GoogleDialect  # noqa: PLC0415 - optional

    return GoogleDialect


def _mistralai() -> ProviderDialectClass:
    from tokenwire.upstreams.langchain.mistralai import MistralDialect  # noqa: PLC0415 - optional

    return MistralDialect


def _ollama() -> ProviderDialectClass:
    from tokenwire.upstreams.langchain.ollama import OllamaDialect  # noqa: PLC0415 - optional

    return OllamaDialect


PROVIDERS: Final[Mapping[str, Provider]] = {
    "anthropic": Provider(
        package="langchain_anthropic",
        needs_key=True,
        fields={
            "params.temperature": "temperature",
            "params.max_tokens": "max_tokens",
            "params.top_p": "top_p",
            "params.top_k": "top_k",
            "params.stop": "stop_sequences",
            "parts.image": "image",
            "parts.file": "document",
            "parts.url": "source.url",
            "reasoning.effort": "output_config.effort",
            "reasoning.max_tokens": "thinking.budget_tokens",
            "format.json_schema": "output_config.format",
            "tool_choice.mode": "tool_choice.type",
            "tool_choice.name": "tool_choice.name",
            "tool_choice.parallel": "tool_choice.disable_parallel_tool_use",
            "tools.strict": "tools.strict",
        },
        load=_anthropic,
    ),
    "bedrock": Provider(
        package="botocore",
        needs_key=True,
        fields={
            "params.temperature": "inferenceConfig.temperature",
            "params.max_tokens": "inferenceConfig.maxTokens",
            "params.top_p": "inferenceConfig.topP",
            "params.stop": "inferenceConfig.stopSequences",
            "parts.image": "image",
            "parts.audio": "audio",
            "parts.file": "document",
            "reasoning.effort": "outputConfig.effort",
            "reasoning.max_tokens": "additionalModelRequestFields.thinking.budget_tokens",
            "format.json_schema": "outputConfig.textFormat",
            "tool_choice.mode": "toolConfig.toolChoice",
            "tool_choice.name": "toolConfig.toolChoice.tool.name",
            "tools.strict": "toolSpec.strict",
        },
        load=_bedrock,
    ),
    "google-genai": Provider(
        package="langchain_google_genai",
        needs_key=True,
        fields={
            "params.temperature": "generationConfig.temperature",
            "params.max_tokens": "generationConfig.maxOutputTokens",
            "params.top_p": "generationConfig.topP",
            "params.top_k": "generationConfig.topK",
            "params.stop": "generationConfig.stopSequences",
            "params.seed": "generationConfig.seed",
            "params.frequency_penalty": "generationConfig.frequencyPenalty",
            "params.presence_penalty": "generationConfig.presencePenalty",
            "parts.image": "inlineData",
            "parts.audio": "inlineData",
            "parts.file": "inlineData",
            "reasoning.effort": "generationConfig.thinkingConfig.thinkingLevel",
            "reasoning.max_tokens": "generationConfig.thinkingConfig.thinkingBudget",
            "format.json_schema": "generationConfig.responseJsonSchema",
            "format.json": "generationConfig.responseMimeType",
            "tool_choice.mode": "toolConfig.functionCallingConfig.mode",
            "tool_choice.name": "toolConfig.functionCallingConfig.allowedFunctionNames",
        },
        load=_google_genai,
    ),
    "mistralai": Provider(
        package="langchain_mistralai",
        needs_key=True,
        fields={
            "params.temperature": "temperature",
            "params.max_tokens": "max_tokens",
            "params.top_p": "top_p",
            "params.stop": "stop",
            "params.seed": "random_seed",
            "params.frequency_penalty": "frequency_penalty",
            "params.presence_penalty": "presence_penalty",
            "parts.image": "image_url",
            "parts.url": "image_url.url",
            "reasoning.effort": "reasoning_effort",
            "format.json_schema": "response_format",
            "format.json": "response_format",
            "tool_choice.mode": "tool_choice",
            "tool_choice.name": "tool_choice",
            "tool_choice.parallel": "parallel_tool_calls",
            "tools.strict": "tools.strict",
        },
        load=_mistralai,
    ),
    "ollama": Provider(
        package="langchain_ollama",
        needs_key=False,
        fields={
            "params.temperature": "options.temperature",
            "params.max_tokens": "options.num_predict",
            "params.top_p": "options.top_p",
            "params.top_k": "options.top_k",
            "params.min_p": "options.min_p",
            "params.stop": "options.stop",
            "parts.image": "images",
            "params.seed": "options.seed",
            "reasoning.effort": "think",
            "format.json_schema": "format",
            "format.json": "format",
            "tool_choice.mode": "tools",
        },
        load=_ollama,
    ),
}
"""The providers by their names in TOKENWIRE_PROVIDER, which are LangChain's."""
