"""Builds the model of a LangChain provider, and checks its settings."""

from collections.abc import Iterator
from typing import Final

from tokenwire.config import Settings, SettingsError, variables
from tokenwire.config.environment import hidden_variables
from tokenwire.config.files import names_of
from tokenwire.config.providers import PROVIDER_SETTINGS, ProviderSettings, load_provider
from tokenwire.upstreams.http.client import HttpClient
from tokenwire.upstreams.langchain.model import LangChainModel
from tokenwire.upstreams.langchain.provider import PROVIDERS, Provider, ProviderDialectClass
from tokenwire.upstreams.langchain.provider_backend import ProviderBackend
from tokenwire.upstreams.progress_timer import Timeouts

OPENAI_ONLY: Final = (
    *("organization", "project", "max_tokens_parameter", "reasoning_parameter"),
    *("constraint_parameter", "stream_usage", "merge_tokens", "dialect"),
)
"""Settings that have an effect only with the provider `openai`."""


def build_langchain(settings: Settings, timeouts: Timeouts) -> LangChainModel:
    """Return the model of a provider other than `openai`.

    Raises:
        SettingsError: LangChain does not support the provider, its package is not installed, or
            a setting is missing, invalid or without effect.
    """
    name = settings.provider
    provider = PROVIDERS.get(name)
    if provider is None:
        return _build_unknown(settings, timeouts)
    kind = PROVIDER_SETTINGS[name]
    problems = list(_problems(settings, kind))
    own = None
    try:
        own = load_provider(kind)
    except SettingsError as error:
        problems += error.problems
    if own and provider.needs_key and not own.key:
        problems.append(f"{_variable(kind, 'api_key')} is not set; the provider {name} needs it")
    problems += own.problems() if own else ()
    if problems or own is None:
        raise SettingsError(problems)
    client = HttpClient(settings.connect_timeout_seconds, None)
    return build_provider(own, name, settings.model, client, timeouts)


def build_provider(
    own: ProviderSettings, name: str, model: str, client: HttpClient, timeouts: Timeouts
) -> LangChainModel:
    """Return the model of a provider whose settings are known.

    Args:
        own: The provider's key and address.
        name: The provider's name.
        model: The model of requests that name none.
        client: Sends the requests; the model closes it.
        timeouts: The upstream's time limits.

    Raises:
        SettingsError: The provider's package is not installed.
    """
    provider = PROVIDERS[name]
    with hidden_variables():
        dialect = _load(name, provider)(own, model, client)
    return LangChainModel(ProviderBackend(name, provider, dialect, client, own.key), timeouts)


def _problems(settings: Settings, kind: type[ProviderSettings]) -> Iterator[str]:
    """Yield a line for each setting that is missing or has no effect."""
    name, address = settings.provider, _variable(kind, "base_url")
    if "model" not in settings.model_fields_set:
        yield (
            f"TOKENWIRE_MODEL is not set; set it to the name of a model at {address}: the provider "
            f"{name} has no default"
        )
    if settings.base_url is not None:
        yield (
            f"OPENAI_BASE_URL is set, but the provider {name} does not use it; unset it, and set "
            f"{address} to the upstream's address"
        )
    if settings.proxy is not None:
        yield (
            f"TOKENWIRE_PROXY is set, but the provider {name} does not use it; unset it, and set "
            f"{address} to an address that needs no proxy"
        )
    for field in OPENAI_ONLY:
        default = Settings.model_fields[field].default
        if getattr(settings, field) != default:
            yield (
                f"{variables(field)[0]} is set, but has an effect only with the provider openai; "
                f"unset it with the provider {name}"
            )


def _variable(kind: type[ProviderSettings], field: str) -> str:
    return names_of(kind.model_fields[field])[0]


def _load(name: str, provider: Provider) -> ProviderDialectClass:
    try:
        return provider.load()
    except ImportError:
        problem = (
            f"TOKENWIRE_PROVIDER={name}: the package {provider.package} is not installed; "
            f"install tokenwire[{name}]"
        )
        raise SettingsError([problem]) from None


def _build_unknown(settings: Settings, timeouts: Timeouts) -> LangChainModel:
    # Imported here because it loads LangGraph, which OpenAI-compatible upstreams do not need.
    from langchain.chat_models import init_chat_model  # noqa: PLC0415

    try:
        model = init_chat_model(settings.model, model_provider=settings.provider)
    except Exception as error:  # noqa: BLE001 - packages raise exceptions of any type
        problem = f"TOKENWIRE_PROVIDER={settings.provider}: {error}"
        raise SettingsError([problem.splitlines()[0]]) from None
    return LangChainModel(model, timeouts)
