"""What OpenTelemetry calls the provider of the model."""

from typing import Final
from urllib.parse import urlsplit

from tokenwire.config import Settings

NAMES: Final = {
    "azure_ai": "azure.ai.inference",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "ibm": "ibm.watsonx.ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}
"""By LangChain's names; the others are the same in both."""


def provider_name(settings: Settings) -> str:
    """Return the `gen_ai.provider.name` that the conventions ask for."""
    host = urlsplit(str(settings.base_url or "")).hostname or ""
    if settings.provider == "openai" and host.endswith(".azure.com"):
        return "azure.ai.openai"
    return NAMES.get(settings.provider, settings.provider)
