"""What a server offers: its models, and what answers requests for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tokenwire.access.issuers import Issuers
from tokenwire.api.chatgpt.catalog import Catalog, Catalogs, Defaults, ModelFacts
from tokenwire.config import Settings
from tokenwire.config.gateway import (
    CallerSection,
    GatewayFile,
    LoadedGateway,
    ModelSection,
    UpstreamSection,
    load_gateway,
)
from tokenwire.core.caller import Caller
from tokenwire.core.callers import Callers, Key
from tokenwire.core.certificates import CertificatePattern
from tokenwire.core.chat_model import ChatModel
from tokenwire.core.embeddings import EmbeddingModel
from tokenwire.core.limits import CallerLimits
from tokenwire.core.subjects import SubjectPattern, Subjects
from tokenwire.core.token_counter import TokenCounter
from tokenwire.limits.limiter import Limiter
from tokenwire.limits.metered import MeteredCounter, MeteredEmbeddings, MeteredModel
from tokenwire.routing.assembly import build_gateway, prices_of
from tokenwire.routing.budget import RetryBudget
from tokenwire.routing.gateway import Gateway, GatewayVersions
from tokenwire.routing.retry import RetryingModel
from tokenwire.routing.routed import Router
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
        catalog: Returns the models.
        provider: The provider's name in OpenTelemetry's conventions, as of the start.
        gateway: What the gateway file offers; None without one.
    """

    chat: ChatModel
    token_counter: TokenCounter
    embeddings: EmbeddingModel | None
    catalog: Catalogs
    provider: str
    gateway: "GatewayOffer | None" = None


def build_offer(settings: Settings, model: ChatModel | None = None) -> Offer:
    """Return what `settings` describe.

    Args:
        settings: The settings.
        model: Answers messages instead of the upstream of the settings.

    Raises:
        SettingsError: The gateway file, or what is set for a provider, cannot be used.
    """
    if settings.config is not None and model is None:
        return _by_file(GatewayOffer(settings), settings)
    models = Models(model) if model else build_models(settings)
    catalog = Catalog(
        Defaults(
            model=settings.model,
            temperature=settings.temperature,
            system=settings.system_prompt,
            models=settings.models,
            embedding_model=settings.embedding_model or "",
        ),
        {price.model: price for price in settings.prices},
    )
    budget = RetryBudget()
    retries = UnaryRetries(settings.first_token_timeout_seconds, budget)
    return Offer(
        RetryingModel(models.chat, settings.first_token_timeout_seconds, budget),
        RetryingCounter(models.token_counter, retries),
        models.embeddings and RetryingEmbeddings(models.embeddings, retries),
        lambda: catalog,
        provider_name(settings),
    )


class GatewayOffer:
    """What the gateway file offers, replaced as a whole when the file changes.

    Args:
        settings: The settings, which name the file.

    Attributes:
        loaded: The content of the file.
        versions: The models and upstreams.
        catalog: The models, as callers see them.
        router: Answers requests.
        issuers: Verify the tokens of callers.
        limiter: Counts what callers use against their limits.

    Raises:
        SettingsError: The file cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.config is not None  # noqa: S101 - the caller has checked it
        self._settings = settings
        self.loaded = load_gateway(
            settings.config, client_certificates=settings.tls_client_ca_file is not None
        )
        gateway = build_gateway(self.loaded, settings)
        self.versions = GatewayVersions(gateway)
        self.router = Router(self.versions)
        self.limiter = Limiter()
        self.catalog = _catalog(self.loaded.file, gateway, settings)
        self.issuers = Issuers()
        self.issuers.replace(self.loaded.issuers)

    def replace(self, loaded: LoadedGateway) -> None:
        """Use another content of the file for new calls.

        Raises:
            SettingsError: The package of a provider is not installed; nothing is changed.
        """
        before = self.loaded, self.versions.current
        gateway = build_gateway(loaded, self._settings, before)
        self.loaded = loaded
        self.catalog = _catalog(loaded.file, gateway, self._settings)
        self.versions.replace(gateway)
        self.issuers.replace(loaded.issuers)
        self.use_store()
        self.limiter.keep({*self.caller_limits})

    @property
    def caller_limits(self) -> dict[str, CallerLimits]:
        """The limits of the callers that have some, by the caller's name."""
        callers = self.catalog.callers.by_name if self.catalog.callers else {}
        return {name: each.limits for name, each in callers.items() if each.limits}

    def use_store(self) -> None:
        """Count the limits in the store that the file names; needs a running event loop."""
        refuse = self.loaded.file.limits.without_store == "refuse"
        self.limiter.use(self.loaded.store_url, refuse=refuse)


def _by_file(offer: GatewayOffer, settings: Settings) -> Offer:
    router = offer.router
    provider = _provider_of(offer.loaded.file, settings)
    limiter = offer.limiter
    return Offer(
        MeteredModel(router, limiter),
        MeteredCounter(router, limiter),
        MeteredEmbeddings(router, limiter),
        lambda: offer.catalog,
        provider,
        offer,
    )


def _catalog(file: GatewayFile, gateway: Gateway, settings: Settings) -> Catalog:
    defaults = Defaults(
        model=file.model_of_requests_without_one,
        temperature=settings.temperature,
        system=settings.system_prompt,
        models=frozenset(file.models),
        embedding_model=file.default_embedding_model or "",
        aliases={alias: name for name, model in file.models.items() for alias in model.aliases},
    )
    callers = callers_of(file)
    return Catalog(
        defaults,
        prices_of(file),
        {name: _facts(model, gateway, name) for name, model in file.models.items()},
        {
            name: _defaults_of(caller.models, defaults)
            for name, caller in (callers.by_name if callers else {}).items()
            if caller.models is not None
        },
        callers,
    )


def callers_of(file: GatewayFile) -> Callers | None:
    """Return the callers of a gateway file; None if everyone may call."""
    if file.callers is None:
        return None
    callers = {name: _caller(name, section) for name, section in file.callers.items()}
    keys = (
        Key(bytes.fromhex(key.hash.removeprefix("sha256:")), callers[name], key.not_after)
        for name, section in file.callers.items()
        for key in section.keys or ()
    )
    certificates = {
        name: tuple(map(CertificatePattern, section.certificates or ()))
        for name, section in file.callers.items()
    }
    subjects = Subjects(
        SubjectPattern(token.issuer, token.subject, callers[name])
        for name, section in file.callers.items()
        for token in section.tokens or ()
    )
    return Callers(callers.values(), keys, subjects, certificates)


def _caller(name: str, section: CallerSection) -> Caller:
    models = None if section.models is None else tuple(section.models)
    return Caller(name, models, section.limits.limits, section.priority == "low")


def _defaults_of(models: Sequence[str], defaults: Defaults) -> Defaults:
    """Return the defaults of a caller who may use these models only."""
    return replace(
        defaults,
        model=defaults.model if defaults.model in models else models[0],
        embedding_model=defaults.embedding_model if defaults.embedding_model in models else "",
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
