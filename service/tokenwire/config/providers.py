"""The settings of the providers that are held to the failure table.

They have the names that the providers define. Only those of the selected provider are read, so that
variables meant for other programs do not stop the start.
"""

from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import AliasChoices, BeforeValidator, Field, HttpUrl, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tokenwire.config.files import MountedFiles
from tokenwire.config.problems import SettingsError
from tokenwire.config.reading import problem_of
from tokenwire.config.values import SecretHeader

OLLAMA_PORT: Final = 11434
"""The port of an OLLAMA_HOST without a scheme and a port."""

P = TypeVar("P", bound="ProviderSettings")


class ProviderSettings(BaseSettings):
    """The settings of one provider.

    Attributes:
        api_key: The key, or None.
        base_url: The address of the upstream.
    """

    model_config = SettingsConfigDict(
        case_sensitive=True,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    api_key: SecretHeader = None
    base_url: HttpUrl

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the hook's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments first, then the environment, then mounted files."""
        return init_settings, env_settings, MountedFiles(settings_cls)


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
