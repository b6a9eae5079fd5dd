"""The structure of the gateway file: what is written in it, with its limits and descriptions."""

from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from tokenwire.config.aws import Region
from tokenwire.config.gateway.callers import MAX_CALLERS, CallerName, CallerSection
from tokenwire.config.gateway.issuers import MAX_ISSUERS, IssuerName, IssuerSection
from tokenwire.config.gateway.limits import LimitStoreSection
from tokenwire.config.gateway.section import Section
from tokenwire.config.gateway.values import (
    Duration,
    HeaderName,
    HeaderValue,
    ModelName,
    Price,
    SecretReference,
    UpstreamName,
    Url,
)
from tokenwire.config.upstream_parameters import (
    ConstraintParameter,
    Dialect,
    ReasoningParameter,
    Tokenizer,
)

MAX_UPSTREAMS: Final = 100
MAX_MODELS: Final = 1_000
MAX_KEYS: Final = 32
MAX_ROUTES: Final = 16


Ability: TypeAlias = Literal[
    "chat", "tools", "format", "reasoning", "images", "audio", "files", "embeddings"
]
"""What a model can do, by the names of the contract's `Ability`."""


class UpstreamSection(Section):
    """An API that answers requests."""

    provider: Literal["openai", "anthropic", "bedrock", "google-genai", "mistralai", "ollama"] = (
        Field("openai", description="The provider, which decides the wire format.")
    )
    base_url: Url | None = Field(
        None, description="Base URL of the upstream. Unset: the provider's own."
    )
    region: Region | None = Field(
        None, description="Region of AWS, for bedrock. Unset: the one in `base_url`."
    )
    keys: list[SecretReference] = Field(
        [],
        max_length=MAX_KEYS,
        description="API keys, which share the load: env:NAME or file:PATH.",
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        {},
        max_length=32,
        description="Headers of each request to the upstream: texts, or env:NAME or file:PATH.",
    )
    organization: HeaderValue | None = Field(None, description="Organisation to bill at OpenAI.")
    project: HeaderValue | None = Field(None, description="Project to bill at OpenAI.")
    dialect: Dialect = Field("auto", description="As TOKENWIRE_DIALECT.")
    max_tokens_parameter: Literal["auto", "max_tokens", "max_completion_tokens"] = Field(
        "auto", description="As TOKENWIRE_MAX_TOKENS_PARAMETER."
    )
    reasoning_parameter: ReasoningParameter = Field(
        "reasoning_effort", description="As TOKENWIRE_REASONING_PARAMETER."
    )
    constraint_parameter: ConstraintParameter = Field(
        "none", description="As TOKENWIRE_CONSTRAINT_PARAMETER."
    )
    tokenizer: Tokenizer = Field("none", description="As TOKENWIRE_TOKENIZER.")
    stream_usage: bool = Field(default=True, description="As TOKENWIRE_STREAM_USAGE.")
    max_streams: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Most answers at once of this process. A full upstream is passed over.",
    )
    ca_file: str | None = Field(
        None, max_length=4_096, description="PEM file with the authorities of the upstream."
    )
    proxy: Url | None = Field(None, description="HTTP proxy to the upstream.")
    connect_timeout: Duration = Field(5.0, description="Timeout for connecting.")
    first_token_timeout: Duration = Field(60.0, description="Timeout for the first token.")
    idle_timeout: Duration = Field(30.0, description="Timeout for the next token.")


class RouteSection(Section):
    """An upstream's model."""

    to: str = Field(
        max_length=512, description="UPSTREAM/MODEL, by the upstream's name of the model."
    )
    weight: float = Field(
        1.0,
        gt=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="The share of the calls within the tier.",
    )

    @model_validator(mode="after")
    def _name_both(self) -> Self:
        upstream, _, model = self.to.partition("/")
        if not (upstream and model):
            raise PydanticCustomError("route", "must be UPSTREAM/MODEL")
        return self

    @property
    def upstream(self) -> str:
        """The upstream's name."""
        return self.to.partition("/")[0]

    @property
    def model(self) -> str:
        """The model, as the upstream names it."""
        return self.to.partition("/")[2]


def _route(value: object) -> object:
    return {"to": value} if isinstance(value, str) else value


def _list(value: object) -> object:
    return value if isinstance(value, list) else [value]


RouteEntry = Annotated[
    RouteSection, BeforeValidator(_route, json_schema_input_type=str | RouteSection)
]
Tier = Annotated[
    list[RouteEntry],
    Field(min_length=1, max_length=MAX_ROUTES),
    BeforeValidator(_list, json_schema_input_type=str | RouteSection | list[str | RouteSection]),
]
"""Routes that share the calls."""
Routes = Annotated[
    list[Tier],
    Field(min_length=1, max_length=MAX_ROUTES),
    BeforeValidator(
        _list,
        json_schema_input_type=str
        | RouteSection
        | list[str | RouteSection | list[str | RouteSection]],
    ),
]
"""Tiers, in the order in which they are tried."""


class PriceSection(Section):
    """The price of a model's tokens, in US dollars per million tokens."""

    input: Price = Field(description="Input tokens.")
    output: Price = Field(description="Output tokens, reasoning ones included.")
    cached_input: Price | None = Field(
        None, description="Input tokens from the upstream's cache. Unset: as `input`."
    )


class ModelSection(Section):
    """A name that callers use, and what answers it."""

    routes: Routes = Field(
        description="Tried in this order. A list in the list is a tier, whose routes share the "
        "calls by their weights.",
    )
    aliases: list[ModelName] = Field([], max_length=100, description="Other names of the model.")
    description: str = Field("", max_length=1_000, description="What it is for, for people.")
    abilities: list[Ability] | None = Field(
        None,
        description="What it can do. If set, requests that need something else are rejected before "
        "an upstream is asked. Unset: unknown.",
    )
    context_tokens: int | None = Field(
        None, ge=1, le=1 << 40, description="Most tokens of the prompt and the answer together."
    )
    max_output_tokens: int | None = Field(
        None, ge=1, le=1 << 40, description="Most tokens of an answer."
    )
    price: PriceSection | None = Field(None, description="Price of its tokens.")
    first_token_timeout: Duration | None = Field(
        None, description="Timeout for the first token. Unset: the upstream's."
    )
    idle_timeout: Duration | None = Field(
        None, description="Timeout for the next token. Unset: the upstream's."
    )
    hedge_after: Duration | None = Field(
        None,
        description="How long the first route has for its first token before a second one is asked "
        "too. The first to speak answers. Unset: no second one.",
    )

    @property
    def shares(self) -> list[tuple[int, float, RouteSection]]:
        """The routes in order, each with the number of its tier, from 1, and its share of it."""
        return [
            (number, route.weight / total, route)
            for number, tier in enumerate(self.routes, 1)
            for total in [sum(route.weight for route in tier)]
            for route in tier
        ]


class GatewayFile(Section):
    """The gateway file."""

    upstreams: dict[UpstreamName, UpstreamSection] = Field(
        min_length=1, max_length=MAX_UPSTREAMS, description="The upstreams, by name."
    )
    models: dict[ModelName, ModelSection] = Field(
        min_length=1,
        max_length=MAX_MODELS,
        description="The models by the names that callers use; no other is offered.",
    )
    default_model: ModelName | None = Field(
        None, description="The model of requests that name none. Unset: the first one."
    )
    default_embedding_model: ModelName | None = Field(
        None, description="The model of requests of Embed that name none. Unset: they must."
    )
    issuers: dict[IssuerName, IssuerSection] = Field(
        {}, max_length=MAX_ISSUERS, description="Who signs tokens of callers, by name."
    )
    callers: dict[CallerName, CallerSection] | None = Field(
        None,
        min_length=1,
        max_length=MAX_CALLERS,
        description="Who may call, by name. Unset: everyone.",
    )
    limits: LimitStoreSection = Field(
        LimitStoreSection(), description="What counts the limits of the callers."
    )

    @property
    def model_of_requests_without_one(self) -> str:
        """The model of requests that name none."""
        return self.default_model or next(iter(self.models))
