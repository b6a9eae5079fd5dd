"""The settings of the providers that are held to the failure table.

They have the names that the providers define. Only those of the selected provider are read, so that
variables meant for other programs do not stop the start.
"""

from collections.abc import Iterator
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    HttpUrl,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from tokenwire.config.aws import BEDROCK_KEY_RULE, Region, is_bedrock_key, region_of
from tokenwire.config.problems import SettingsError
from tokenwire.config.reading import problem_of
from tokenwire.config.sources import SourcedSettings
from tokenwire.config.values import SecretHeader

OLLAMA_PORT: Final = 11434
"""The port of an OLLAMA_HOST without a scheme and a port."""

P = TypeVar("P", bound="ProviderSettings")


class ProviderSettings(SourcedSettings):
    """The settings of one provider.

    Attributes:
        api_key: The key, or None.
        base_url: The address of the upstream; None only if another setting says it.
    """

    api_key: SecretHeader = None
    base_url: HttpUrl | None

    @property
    def key(self) -> str:
        """The key; empty if there is none."""
        return self.api_key.get_secret_value() if self.api_key else ""

    def problems(self) -> Iterator[str]:
        """Yield a line for each setting that is missing, other than the key."""
        yield from ()


def _bare(value: object) -> object:
    """Reject the parts of an address that are never sent."""
    parts = urlsplit(str(value))
    if parts.fragment or parts.query:
        raise PydanticCustomError("address", "must have no query (`?...`) and no fragment (`#...`)")
    return value


def _ollama_host(value: object) -> object:
    """Complete an address as Ollama's own programs do."""
    if not isinstance(value, str) or "://" in value:
        return value
    url = f"http://{value.strip()}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    if not parts.hostname:
        url = f"http://127.0.0.1{parts.netloc}{parts.path}"
    elif port is None:
        url = f"http://{parts.netloc}:{OLLAMA_PORT}{parts.path}"
    return url


class AnthropicSettings(ProviderSettings):
    """The settings of the provider `anthropic`."""

    api_key: SecretHeader = Field(
        None, validation_alias="ANTHROPIC_API_KEY", description="Key for the upstream. Required."
    )
    base_url: Annotated[HttpUrl, BeforeValidator(_bare)] = Field(
        HttpUrl("https://api.anthropic.com"),
        validation_alias=AliasChoices("ANTHROPIC_BASE_URL", "ANTHROPIC_API_URL"),
        repr=False,
        description="Base URL of the upstream, without `/v1`.",
    )


class BedrockSettings(ProviderSettings):
    """The settings of the provider `bedrock`.

    Attributes:
        region: The region that signatures are for, or None for the one in the address.
    """

    api_key: SecretHeader = Field(
        None,
        validation_alias="AWS_BEARER_TOKEN_BEDROCK",
        description="Bedrock API key. Required, unless `AWS_ACCESS_KEY_ID` is set.",
    )
    base_url: Annotated[HttpUrl | None, BeforeValidator(_bare)] = Field(
        None,
        validation_alias="AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        repr=False,
        description="Base URL of the upstream. Unset: AWS's own in the region.",
    )
    region: Region | None = Field(
        None,
        validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"),
        description="Region of the upstream. Required, unless the base URL names it.",
    )
    access_key_id: SecretHeader = Field(
        None,
        validation_alias="AWS_ACCESS_KEY_ID",
        description="Access key that signs requests, in place of a Bedrock API key.",
    )
    secret_access_key: SecretHeader = Field(
        None,
        validation_alias="AWS_SECRET_ACCESS_KEY",
        description="Secret of the access key.",
    )
    session_token: SecretHeader = Field(
        None,
        validation_alias="AWS_SESSION_TOKEN",
        description="Session token of a temporary access key.",
    )

    @property
    def key(self) -> str:
        """The Bedrock API key, or the parts of the access key with colons between them."""
        parts = (self.access_key_id, self.secret_access_key, self.session_token)
        given = [part.get_secret_value() for part in parts if part]
        is_whole = self.access_key_id and self.secret_access_key
        return super().key or (":".join(given) if is_whole else "")

    @property
    def address(self) -> str:
        """The address of the upstream."""
        return str(self.base_url or f"https://bedrock-runtime.{self.region}.amazonaws.com")

    @property
    def signing_region(self) -> str:
        """The region that signatures are for; empty if it is unknown."""
        return self.region or region_of(str(self.base_url or ""))

    def problems(self) -> Iterator[str]:
        """Yield a line if the region is unknown, and one if the key has another form."""
        if not self.signing_region:
            yield (
                "AWS_REGION is not set; set it to the region of the upstream, such as eu-central-1"
            )
        if self.key and not is_bedrock_key(self.key):
            yield (
                f"AWS_BEARER_TOKEN_BEDROCK: {BEDROCK_KEY_RULE}"
                if self.api_key
                else "AWS_ACCESS_KEY_ID: must have no colon"
            )


class GoogleSettings(ProviderSettings):
    """The settings of the provider `google-genai`."""

    api_key: SecretHeader = Field(
        None,
        validation_alias=AliasChoices("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        description="Key for the upstream. Required.",
    )
    base_url: Annotated[HttpUrl, BeforeValidator(_bare)] = Field(
        HttpUrl("https://generativelanguage.googleapis.com"),
        validation_alias="GOOGLE_GEMINI_BASE_URL",
        repr=False,
        description="Base URL of the upstream, without `/v1beta`.",
    )


class MistralSettings(ProviderSettings):
    """The settings of the provider `mistralai`."""

    api_key: SecretHeader = Field(
        None, validation_alias="MISTRAL_API_KEY", description="Key for the upstream. Required."
    )
    base_url: Annotated[HttpUrl, BeforeValidator(_bare)] = Field(
        HttpUrl("https://api.mistral.ai/v1"),
        validation_alias="MISTRAL_BASE_URL",
        repr=False,
        description="Base URL of the upstream, with `/v1`.",
    )


class OllamaSettings(ProviderSettings):
    """The settings of the provider `ollama`."""

    api_key: SecretHeader = Field(
        None,
        validation_alias="OLLAMA_API_KEY",
        description="Key for the upstream, as Ollama's cloud needs; sent as a bearer token.",
    )
    base_url: Annotated[HttpUrl, BeforeValidator(_bare), BeforeValidator(_ollama_host)] = Field(
        HttpUrl(f"http://127.0.0.1:{OLLAMA_PORT}"),
        validation_alias="OLLAMA_HOST",
        repr=False,
        description="Address of the upstream: a URL, or HOST, HOST:PORT or :PORT.",
    )


PROVIDER_SETTINGS: Final[dict[str, type[ProviderSettings]]] = {
    "anthropic": AnthropicSettings,
    "bedrock": BedrockSettings,
    "google-genai": GoogleSettings,
    "mistralai": MistralSettings,
    "ollama": OllamaSettings,
}
"""The settings of each provider, by its name in TOKENWIRE_PROVIDER."""


def load_provider(kind: type[P]) -> P:
    """Read the settings of a provider.

    Raises:
        SettingsError: A setting is invalid.
    """
    try:
        return kind()
    except ValidationError as error:
        raise SettingsError([problem_of(kind, each) for each in error.errors()]) from None
