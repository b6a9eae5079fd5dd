"""Builds the upstreams and the routes that the gateway file describes."""

import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from pydantic import HttpUrl, SecretStr

from tokenwire.config import Settings
from tokenwire.config.gateway import GatewayFile, LoadedGateway, ModelSection, UpstreamSection
from tokenwire.config.gateway.secrets import is_reference
from tokenwire.core.prices import Price
from tokenwire.routing.gateway import Gateway, RoutedModel
from tokenwire.routing.routes import KeyClient, Route, RouteChanges, RoutedUpstream
from tokenwire.routing.tiers import Tier, Weighted
from tokenwire.upstreams import Models, build_models
from tokenwire.upstreams.build import Extra, build_provider_models
from tokenwire.upstreams.progress_timer import Timeouts

COPIED: Final = (
    *("organization", "project", "dialect", "max_tokens_parameter", "reasoning_parameter"),
    *("constraint_parameter", "tokenizer", "stream_usage"),
)
"""Keys of an upstream that have the names of the settings of one upstream."""


Version: TypeAlias = tuple[LoadedGateway, Gateway]
"""A content of the file, and what was built from it."""


def build_gateway(
    loaded: LoadedGateway, settings: Settings, before: Version | None = None
) -> Gateway:
    """Return the models and the upstreams of a gateway file.

    Args:
        loaded: The file.
        settings: The settings of the process, for all that the file does not say.
        before: The version before. Its upstreams and routes that have not changed are kept, with
            their connections and breakers.

    Raises:
        SettingsError: The package of a provider is not installed.
    """
    changes = before[1].changes if before else RouteChanges()
    upstreams = {
        name: _unchanged(name, loaded, before)
        or RoutedUpstream(
            name,
            [KeyClient(models) for models in _clients(section, loaded, settings)],
            Timeouts(section.first_token_timeout, section.idle_timeout),
            changes,
            section.max_streams,
        )
        for name, section in loaded.file.upstreams.items()
    }
    # Models share the routes that several of them have, and with them the breakers.
    named = {
        route.to: route
        for model in loaded.file.models.values()
        for tier in model.routes
        for route in tier
    }
    known = before[1].routes if before else {}
    routes = {
        name: known[name]
        if name in known and known[name].upstream is upstreams[each.upstream]
        else Route(upstreams[each.upstream], each.model, time.monotonic, changes.breaker_changed)
        for name, each in named.items()
    }
    models: dict[str, RoutedModel] = {}
    for name, section in loaded.file.models.items():
        model = _model(name, section, routes, changes)
        models |= dict.fromkeys((name, *section.aliases), model)
    return Gateway(models, upstreams, routes, changes)


def _unchanged(name: str, loaded: LoadedGateway, before: Version | None) -> RoutedUpstream | None:
    """Return the upstream of the version before if all that the file says of it is the same."""
    if before and loaded.upstream(name) == before[0].upstream(name):
        return before[1].upstreams[name]
    return None


def _clients(
    section: UpstreamSection, loaded: LoadedGateway, settings: Settings
) -> Iterator[Models]:
    """Yield what an upstream offers with each of its keys."""
    extra = Extra(
        {
            name: loaded.secrets[value] if is_reference(value) else value
            for name, value in section.headers.items()
        },
        ssl.create_default_context(cadata=loaded.authorities[section.ca_file])
        if section.ca_file
        else None,
        section.region,
    )
    keys: list[SecretStr | None] = [
        SecretStr(loaded.secrets[reference]) for reference in section.keys
    ]
    for key in keys or [None]:
        own = _settings_of(section, key, settings)
        if section.provider == "openai":
            yield build_models(own, extra)
        else:
            yield build_provider_models(own, section.base_url, extra)


def _settings_of(section: UpstreamSection, key: SecretStr | None, settings: Settings) -> Settings:
    """Return the settings of a server whose only upstream is this one."""
    return settings.model_copy(
        update={
            "provider": section.provider,
            "api_key": key,
            "base_url": HttpUrl(section.base_url) if section.base_url else None,
            "proxy": HttpUrl(section.proxy) if section.proxy else None,
            "connect_timeout_seconds": section.connect_timeout,
            "first_token_timeout_seconds": section.first_token_timeout,
            "idle_timeout_seconds": section.idle_timeout,
            **{name: getattr(section, name) for name in COPIED},
        }
    )


def _model(
    name: str, section: ModelSection, routes: Mapping[str, Route], changes: RouteChanges
) -> RoutedModel:
    tiers = [
        [Weighted(routes[route.to], route.weight) for route in tier] for tier in section.routes
    ]
    return RoutedModel(
        name,
        [Tier(tier, lambda route: route.upstream.in_flight) for tier in tiers],
        [choice.item for tier in tiers for choice in tier],
        changes,
        None if section.abilities is None else frozenset(section.abilities),
        section.first_token_timeout,
        section.idle_timeout,
        section.hedge_after,
    )


def prices_of(file: GatewayFile) -> dict[str, Price]:
    """Return the prices of the models that have one, by model."""
    return {
        name: Price(
            name,
            price.input,
            price.output,
            price.input if price.cached_input is None else price.cached_input,
        )
        for name, model in file.models.items()
        if (price := model.price)
    }
