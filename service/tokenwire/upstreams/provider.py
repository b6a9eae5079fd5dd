"""OpenTelemetry's name for the provider of the model."""

from typing import Final
from urllib.parse import urlsplit

from tokenwire.config import Settings

OTEL_NAMES: Final = {
    "azure_ai": "azure.ai.inference",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "google-genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "ibm": "ibm.watsonx.ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}
"""OpenTelemetry's names by LangChain's names, where they differ."""


def provider_name(settings: Settings) -> str:
    """Return the value of `gen_ai.provider.name` in OpenTelemetry's GenAI conventions."""
    host = urlsplit(str(settings.base_url or "")).hostname or ""
    if settings.provider == "openai" and host.endswith(".azure.com"):
        return "azure.ai.openai"
    return OTEL_NAMES.get(settings.provider, settings.provider)
