"""Checks what several places of the gateway file say together."""

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path as FilePath
from typing import Final, TypeAlias

from tokenwire.config.aws import BEDROCK_KEY_RULE, is_bedrock_key, region_of
from tokenwire.config.gateway.authorities import AuthoritiesError, read_authorities
from tokenwire.config.gateway.limits import is_store_url
from tokenwire.config.gateway.model import GatewayFile, RouteSection, UpstreamSection
from tokenwire.config.gateway.secrets import SecretError, is_reference, resolve
from tokenwire.config.gateway.yaml_tree import Path

Problem: TypeAlias = tuple[Path, object, str]
"""The place, the value to show or None, and what is wrong and allowed."""

NO_CLIENT_CA: Final = (
    "has no effect, because the server asks for no certificates; set TOKENWIRE_TLS_CLIENT_CA_FILE "
    "to the authority of the callers, or remove it"
)
KEYS_NEEDED: Final = ("anthropic", "bedrock", "google-genai", "mistralai")
"""The providers whose upstreams reject requests without a key."""
OPENAI_ONLY: Final = frozenset(
    {
        *("organization", "project", "dialect", "max_tokens_parameter"),
        *("reasoning_parameter", "constraint_parameter", "tokenizer", "stream_usage"),
    }
)
"""The keys that have an effect only with the provider `openai`."""


def check(file: GatewayFile) -> Iterator[Problem]:
    """Yield each contradiction within the file."""
    yield from _check_routes(file)
    yield from _check_names(file)
    for name, upstream in file.upstreams.items():
        if upstream.provider in KEYS_NEEDED and not upstream.keys:
            yield (
                ("upstreams", name, "keys"),
                None,
                f"is missing; the provider {upstream.provider} needs a key",
            )
        yield from _check_region(name, upstream)
        if upstream.provider != "openai":
            for key in OPENAI_ONLY & upstream.model_fields_set:
                yield (
                    ("upstreams", name, key),
                    None,
                    f"has no effect with the provider {upstream.provider}; remove it",
                )
        if upstream.provider == "openai" and not upstream.base_url and not upstream.keys:
            yield (
                ("upstreams", name),
                None,
                "must have `keys` for OpenAI itself, or the `base_url` of another upstream",
            )
    yield from _check_callers(file)
    yield from _check_credentials(file)
    for name in ("default_model", "default_embedding_model"):
        value = getattr(file, name)
        if value is not None and value not in file.models:
            yield (name,), value, f"is not a model of the file{_similar(value, file.models)}"


def _check_region(name: str, upstream: UpstreamSection) -> Iterator[Problem]:
    place: Path = ("upstreams", name, "region")
    if upstream.provider != "bedrock":
        if upstream.region:
            yield place, None, f"has no effect with the provider {upstream.provider}; remove it"
    elif not (upstream.region or region_of(upstream.base_url or "")):
        yield place, None, "is missing; set it to the region of the upstream, such as eu-central-1"


def _check_routes(file: GatewayFile) -> Iterator[Problem]:
    for name, model in file.models.items():
        if model.hedge_after is not None and sum(map(len, model.routes)) == 1:
            place: Path = ("models", name, "hedge_after")
            yield place, None, "has no effect with a single route; remove it or add a route"
        seen: set[str] = set()
        for tier_index, tier in enumerate(model.routes):
            for index, route in enumerate(tier):
                path: Path = ("models", name, "routes", tier_index, index)
                yield from _check_route(file, route, path)
                if route.to in seen:
                    yield path, route.to, "occurs twice among the routes of this model; remove one"
                seen.add(route.to)


def _check_route(file: GatewayFile, route: RouteSection, path: Path) -> Iterator[Problem]:
    if route.upstream not in file.upstreams:
        known = _similar(route.upstream, file.upstreams)
        yield path, route.to, f"the upstream {route.upstream} is not in `upstreams`{known}"


def _check_names(file: GatewayFile) -> Iterator[Problem]:
    owners = dict.fromkeys(file.models, "is the name of a model")
    for name, model in file.models.items():
        for index, alias in enumerate(model.aliases):
            if alias in owners:
                path: Path = ("models", name, "aliases", index)
                yield path, alias, f"{owners[alias]} already; remove it or choose another"
            owners.setdefault(alias, f"is an alias of {name}")


def _check_callers(file: GatewayFile) -> Iterator[Problem]:
    for name, caller in (file.callers or {}).items():
        for index, model in enumerate(caller.models or ()):
            if model not in file.models:
                path: Path = ("callers", name, "models", index)
                yield path, model, f"is not a model of the file{_similar(model, file.models)}"
        for index, token in enumerate(caller.tokens or ()):
            if token.issuer not in file.issuers:
                path = ("callers", name, "tokens", index, "issuer")
                similar = _similar(token.issuer, file.issuers)
                yield path, token.issuer, f"is not in `issuers`{similar}"
        if caller.limits.dollars:
            unpriced = [model for model in caller.models or file.models if _unpriced(file, model)]
            if unpriced:
                path = ("callers", name, "limits", "dollars")
                description = (
                    f"cannot be counted: the model {unpriced[0]} has no `price`; set it, to 0 if "
                    "it costs nothing, or leave the model out of the caller's `models`"
                )
                yield path, None, description


def _check_credentials(file: GatewayFile) -> Iterator[Problem]:
    """Yield a problem for each credential that two callers have, or one twice."""
    owners: dict[str, str] = {}
    for name, caller in (file.callers or {}).items():
        credentials = {
            "keys": [key.hash for key in caller.keys or ()],
            "tokens": [f"{token.issuer} {token.subject}" for token in caller.tokens or ()],
            "certificates": caller.certificates or (),
        }
        for kind, values in credentials.items():
            for index, value in enumerate(values):
                place = f"callers.{name}.{kind}[{index}]"
                owner = owners.setdefault(value, place)
                if owner != place:
                    yield ("callers", name, kind, index), None, f"is the same as {owner}"


def check_certificates(file: GatewayFile) -> Iterator[Problem]:
    """Yield a problem for each caller with certificates, for a server that asks for none."""
    for name, caller in (file.callers or {}).items():
        if caller.certificates:
            yield (
                ("callers", name, "certificates"),
                None,
                NO_CLIENT_CA,
            )


def _unpriced(file: GatewayFile, model: str) -> bool:
    return model in file.models and file.models[model].price is None


def _similar(name: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {found[0]}?" if found else ""


def check_files(
    file: GatewayFile,
    directory: FilePath,
    secrets: dict[str, str],
    authorities: dict[str, str],
) -> Iterator[Problem]:
    """Yield a problem for each secret and each file that cannot be read.

    Args:
        file: The file.
        directory: Its directory, to which relative paths belong.
        secrets: Gets the secrets, by their references.
        authorities: Gets the contents of the files with certificate authorities, by their paths as
            they are written in the file.
    """
    if file.limits.store is not None and is_reference(file.limits.store):
        yield from _check_store(file.limits.store, directory, secrets)
    for name, upstream in file.upstreams.items():
        place: Path = ("upstreams", name)
        references: list[tuple[Path, str]] = [
            ((*place, "keys", index), key) for index, key in enumerate(upstream.keys)
        ]
        references += [
            ((*place, "headers", header), value)
            for header, value in upstream.headers.items()
            if is_reference(value)
        ]
        for path, reference in references:
            try:
                secrets[reference] = resolve(reference, directory)
            except SecretError as problem:
                yield path, reference, str(problem)
                continue
            is_key = upstream.provider == "bedrock" and path[2] == "keys"
            if is_key and not is_bedrock_key(secrets[reference]):
                yield path, reference, BEDROCK_KEY_RULE.replace("must be", "must hold")
        if upstream.ca_file:
            try:
                authorities[upstream.ca_file] = read_authorities(directory / upstream.ca_file)
            except AuthoritiesError as problem:
                yield (*place, "ca_file"), upstream.ca_file, str(problem)


def _check_store(reference: str, directory: FilePath, secrets: dict[str, str]) -> Iterator[Problem]:
    place: Path = ("limits", "store")
    try:
        url = resolve(reference, directory)
    except SecretError as problem:
        yield place, reference, str(problem)
        return
    secrets[reference] = url
    if not is_store_url(url):
        yield place, reference, "must hold a URL such as redis://:PASSWORD@redis:6379/0"
