"""What a server offers: its models, and what answers requests for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tokenwire.api.chatgpt.models import ModelFacts
from tokenwire.api.chatgpt.wire import Defaults
from tokenwire.config import Settings
from tokenwire.config.gateway import GatewayFile, ModelSection, UpstreamSection, load_gateway
from tokenwire.core.chat_model import ChatModel
from tokenwire.core.embeddings import EmbeddingModel
from tokenwire.core.prices import Price
from tokenwire.core.token_counter import TokenCounter
from tokenwire.routing.assembly import build_gateway, prices_of
from tokenwire.routing.budget import RetryBudget
from tokenwire.routing.retry import RetryingModel
from tokenwire.routing.routed import Router
from tokenwire.routing.routes import Gateway
from tokenwire.routing.unary_retry import RetryingCounter, RetryingEmbeddings, UnaryRetries
from tokenwire.upstreams import Models, build_models, provider_name
from tokenwire.v1 import chatgpt_pb2 as pb

ABILITIES: Final = {
    "chat": pb.ABILITY_CHAT,
    "tools": pb.ABILITY_TOOLS,
    "format": pb.ABILITY_FORMAT,
    "reasoning": pb.ABILITY_REASONING,
    "images": pb.ABILITY_IMAGES,
    "audio": pb.ABILITY_AUDIO,
    "files": pb.ABILITY_FILES,
    "embeddings": pb.ABILITY_EMBEDDINGS,
}
SEVERAL: Final = "tokenwire"
"""The provider's name in metrics and spans if the upstreams are of several providers."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server offers.

    Attributes:
        chat: Answers messages.
        token_counter: Counts the tokens of messages.
        embeddings: Turns texts into vectors; None if the provider has no embeddings.
        defaults: The models that a request may name, and the values of fields that it omits.
        prices: The prices of the models' tokens, by model.
        provider: The provider's name in OpenTelemetry's conventions.
        facts: What is known of the models, by name.
        gateway: The routes; None without a gateway file.
    """

    chat: ChatModel
    token_counter: TokenCounter
    embeddings: EmbeddingModel | None
    defaults: Defaults
    prices: Mapping[str, Price]
    provider: str
    facts: Mapping[str, ModelFacts] = field(default_factory=dict)
    gateway: Gateway | None = None


def build_offer(settings: Settings, model: ChatModel | None = None) -> Offer:
    """Return what `settings` describe.

    Args:
        settings: The settings.
        model: Answers messages instead of the upstream of the settings.

    Raises:
        SettingsError: The gateway file, or what is set for a provider, cannot be used.
    """
    if settings.config is not None and model is None:
        return _by_file(settings)
    models = Models(model) if model else build_models(settings)
    budget = RetryBudget()
    retries = UnaryRetries(settings.first_token_timeout_seconds, budget)
    return Offer(
        RetryingModel(models.chat, settings.first_token_timeout_seconds, budget),
        RetryingCounter(models.token_counter, retries),
        models.embeddings and RetryingEmbeddings(models.embeddings, retries),
        Defaults(
            model=settings.model,
            temperature=settings.temperature,
            system=settings.system_prompt,
            models=settings.models,
            embedding_model=settings.embedding_model or "",
        ),
        {price.model: price for price in settings.prices},
        provider_name(settings),
    )


def _by_file(settings: Settings) -> Offer:
    assert settings.config is not None  # noqa: S101 - the caller has checked it
    loaded = load_gateway(settings.config)
    file = loaded.file
    gateway = build_gateway(loaded, settings)
    router = Router(lambda: gateway)
    return Offer(
        router,
        router,
        router,
        Defaults(
            model=file.model_of_requests_without_one,
            temperature=settings.temperature,
            system=settings.system_prompt,
            models=frozenset(file.models),
            embedding_model=file.default_embedding_model or "",
            aliases={alias: name for name, model in file.models.items() for alias in model.aliases},
        ),
        prices_of(file),
        _provider_of(file, settings),
        {name: _facts(model, gateway, name) for name, model in file.models.items()},
        gateway,
    )


def _provider_of(file: GatewayFile, settings: Settings) -> str:
    names = {
        provider_name(settings.model_copy(update=_address(section)))
        for section in file.upstreams.values()
    }
    return names.pop() if len(names) == 1 else SEVERAL


def _address(section: UpstreamSection) -> Mapping[str, object]:
    return {"provider": section.provider, "base_url": section.base_url}


def _facts(model: ModelSection, gateway: Gateway, name: str) -> ModelFacts:
    routed = gateway.models[name]
    return ModelFacts(
        model.description,
        [ABILITIES[ability] for ability in model.abilities or ()],
        model.context_tokens or 0,
        model.max_output_tokens or 0,
        lambda: routed.serving,
    )
