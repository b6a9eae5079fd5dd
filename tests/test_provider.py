"""The name of the provider in metrics and spans."""

import pytest

from support.app import StartApp
from support.exposed import read
from tokenwire import config
from tokenwire.upstreams import provider_name

NAMES = [
    ("openai", None, "openai"),
    ("openai", "http://127.0.0.1:1/v1", "openai"),
    ("openai", "https://x.openai.azure.com/openai/deployments/x", "azure.ai.openai"),
    ("openai", "https://azure.com.example/v1", "openai"),
    ("azure_openai", None, "azure.ai.openai"),
    ("google_genai", None, "gcp.gemini"),
    ("google-genai", None, "gcp.gemini"),
    ("mistralai", None, "mistral_ai"),
    ("anthropic", None, "anthropic"),
]


def test_it_is_opentelemetrys(subtests: pytest.Subtests) -> None:
    """LangChain's name of a provider is mapped to the name in the OpenTelemetry conventions."""
    for provider, base_url, name in NAMES:
        with subtests.test(provider=provider, base_url=base_url, name=name):
            loaded = config.load(provider=provider, base_url=base_url, api_key="key")
            assert provider_name(loaded) == name


async def test_it_labels_the_metrics(start_app: StartApp) -> None:
    """The GenAI metrics of a server are labeled with the name of its provider."""
    exposed = await read(await start_app())
    names = {dict(labels).get("gen_ai_provider_name") for _, labels in exposed.values}
    assert names == {None, "openai"}
