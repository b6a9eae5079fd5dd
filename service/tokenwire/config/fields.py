"""Every setting: its variable, type, default, limits and description.

docs/settings.md is made from them.
"""

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import AliasGenerator, Field, HttpUrl, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import SettingsConfigDict

from tokenwire.config import tracing
from tokenwire.config.combinations import (
    require_no_fragment,
    require_one_credential,
    require_room_for_a_request,
    require_unset,
    require_whole_tls,
)
from tokenwire.config.files import names_of
from tokenwire.config.sources import SourcedSettings
from tokenwire.config.upstream_parameters import (
    ConstraintParameter,
    Dialect,
    ReasoningParameter,
    Tokenizer,
)
from tokenwire.config.values import (
    Address,
    CaptureContent,
    Header,
    LoopbackAddress,
    LowerCase,
    LowerCaseNames,
    Name,
    Names,
    OtelFlag,
    PositiveSeconds,
    Prices,
    Protocols,
    ProviderName,
    Seconds,
    SecretHeader,
)

PREFIX: Final = "TOKENWIRE_"


class Settings(SourcedSettings):
    """Everything that can be set, validated and frozen."""

    model_config = SettingsConfigDict(
        # Each field has one name outside, so that nothing else is read by accident.
        alias_generator=AliasGenerator(validation_alias=lambda field: PREFIX + field.upper()),
    )

    listen: Address = Field(
        "127.0.0.1:50051", description="HOST:PORT of the gRPC server. Port 0 selects a free port."
    )
    metrics_listen: Address = Field(
        "127.0.0.1:9464",
        description="HOST:PORT of the Prometheus endpoint, `/metrics`, and of the status page, "
        "`/`; always plain HTTP.",
    )
    status_token: SecretHeader = Field(
        None,
        description="Bearer token that requests for the status page must have. Unset: none.",
    )

    config: Path | None = Field(
        None,
        description="The gateway file: several upstreams, and the models that callers may name "
        "(docs/gateway.md). The settings of one upstream and its models then have no effect.",
    )

    load_reports: Literal["off", "service", "calls"] = Field(
        "off",
        description="Whether clients learn the load of this process, for the policy "
        "`weighted_round_robin` (docs/load-balancing.md): not at all, from the service "
        "`OpenRcaService`, or also with each of their calls.",
    )
    channelz_listen: LoopbackAddress | None = Field(
        None,
        description="HOST:PORT, on a loopback address, of a gRPC server of its own for channelz "
        "(docs/channelz.md). Unset: none. Not with `TOKENWIRE_WORKERS` above 1.",
    )

    protocols: Protocols = Field(
        frozenset(),
        description="Further protocols to serve on the gRPC port, separated by commas: `xai`, the "
        "API of xAI for clients such as `xai-sdk`, and `aiplatform`, OpenAI's JSON over gRPC for "
        "the generated clients of Google's Vertex AI (docs/clients.md). Empty: `openai.Chatgpt` "
        "alone.",
    )
    reflection: Literal["open", "callers", "off"] = Field(
        "open",
        description="Who may ask reflection for the contract: everyone (`open`), those who may "
        "call by the gateway file (`callers`; everyone if it has no callers), or nobody (`off`).",
    )

    tls_certificate_file: Path | None = Field(
        None,
        description="PEM file with the certificate of the gRPC port and its intermediate "
        "certificates; unset: plaintext. New connections use replaced files.",
    )
    tls_key_file: Path | None = Field(
        None, description="PEM file with the private key of that certificate, unencrypted."
    )
    tls_client_ca_file: Path | None = Field(
        None,
        description="PEM file with certificate authorities. If set, callers must present a "
        "certificate that one of them signed (mTLS).",
    )

    api_key: SecretHeader = Field(
        None,
        validation_alias="OPENAI_API_KEY",
        description="Key for the upstream. Required unless `OPENAI_BASE_URL` is set.",
    )
    base_url: HttpUrl | None = Field(
        None,
        validation_alias="OPENAI_BASE_URL",
        repr=False,
        description="Base URL of an OpenAI-compatible upstream; unset: OpenAI itself. A query "
        "string is sent with each request, as Azure's `api-version` needs; a user and password "
        "are sent as `Authorization: Basic`. A final `/chat/completions` is ignored.",
    )
    organization: Header = Field(
        None,
        validation_alias="OPENAI_ORG_ID",
        description="Organisation to bill at OpenAI.",
    )
    project: Header = Field(
        None, validation_alias="OPENAI_PROJECT_ID", description="Project to bill at OpenAI."
    )
    provider: ProviderName = Field(
        "openai",
        description="Provider of the model: `openai`, `anthropic`, `bedrock`, `google-genai`, "
        "`mistralai` or `ollama`; or, without the guarantees of docs/faq.md, any other that "
        "LangChain's `init_chat_model` knows. All but `openai` need their package.",
    )
    model: Name = Field("gpt-4o-mini", description="Model for requests that name none.")
    embedding_model: Name | None = Field(
        None,
        description="Model for requests of `Embed` that name none; unset: they must name one.",
    )
    models: Names = Field(
        frozenset(),
        description="Other models that requests may name, separated by commas; empty: any model.",
    )
    temperature: float | None = Field(
        None, ge=0, le=2, description="Temperature for requests that set none."
    )
    system_prompt: str = Field(
        "", max_length=100_000, description="System prompt for requests that have none."
    )
    max_tokens_parameter: Literal["auto", "max_tokens", "max_completion_tokens"] = Field(
        "auto",
        description="The upstream's name for the limit of output tokens. `auto`: "
        "`max_completion_tokens` for OpenAI and Azure, `max_tokens` for others.",
    )
    dialect: Dialect = Field(
        "auto",
        description="The upstream's API: `chat` (chat completions), `responses`, or `auto`: "
        "`responses` at api.openai.com, `chat` elsewhere.",
    )
    reasoning_parameter: ReasoningParameter = Field(
        "reasoning_effort",
        description="The upstream's parameter for reasoning: `reasoning_effort` (OpenAI and most "
        "others), `reasoning` (OpenRouter), `thinking` (Anthropic, DeepSeek, Z.ai) or "
        "`chat_template_kwargs` (vLLM and SGLang with Qwen's models).",
    )
    constraint_parameter: ConstraintParameter = Field(
        "none",
        description="How the upstream takes `format.regex`, `format.grammar` and "
        "`format.choices`: not at all, by `structured_outputs` (vLLM from 0.11), by `guided_regex` "
        "and the like (earlier vLLM), or by `regex` and `ebnf` (SGLang).",
    )
    tokenizer: Tokenizer = Field(
        "none",
        description="What counts tokens for `CountTokens`: `vllm`, the `/tokenize` beside the "
        "upstream's API, or `none`, an estimate.",
    )
    stream_usage: bool = Field(
        default=True, description="Ask the upstream to report token usage at the end of a stream."
    )
    proxy: HttpUrl | None = Field(
        None,
        repr=False,
        description="HTTP proxy to the upstream. The usual proxy variables have no effect.",
    )

    merge_tokens: bool = Field(
        default=True,
        description="Send tokens that arrived together as one Answer. No token is delayed for "
        "this.",
    )

    connect_timeout_seconds: PositiveSeconds = Field(
        5, description="Timeout for connecting to the upstream."
    )
    first_token_timeout_seconds: PositiveSeconds = Field(
        60, description="Timeout for the first token, retries included."
    )
    idle_timeout_seconds: PositiveSeconds = Field(
        30, description="Timeout for the next token. SSE comments do not count as tokens."
    )
    stream_timeout_seconds: PositiveSeconds = Field(
        900, description="Timeout for a whole answer, whatever the caller's deadline."
    )
    reader_timeout_seconds: PositiveSeconds = Field(
        20, description="How long a caller's connection may accept no data."
    )

    worker_timeout_seconds: float = Field(
        30,
        ge=2,
        le=86_400,
        allow_inf_nan=False,
        description="With `TOKENWIRE_WORKERS` above 1: how long a worker may fail to report to "
        "the supervisor, which it does twice a second, before it is killed and replaced.",
    )
    workers: int = Field(
        1,
        ge=1,
        le=256,
        description="Number of server processes that share the port; the limits below apply to "
        "each one.",
    )
    max_streams: int = Field(
        1_000, ge=1, le=1_000_000, description="Answers in flight at once in this process (slots)."
    )
    max_queue: int = Field(100, ge=0, le=1_000_000, description="Calls that may wait for a slot.")
    queue_timeout_seconds: Seconds = Field(
        0.02,
        description="How long a call may wait for a slot before it is rejected with "
        "`SERVER_OVERLOADED`.",
    )
    max_request_bytes: int = Field(
        20_971_520,
        ge=1_024,
        le=1 << 30,
        description="Largest accepted request, in bytes, inline images and files included.",
    )
    max_text_bytes: int = Field(
        4_194_304,
        ge=1_024,
        le=1 << 30,
        description="Largest accepted request without its inline images and files, in bytes.",
    )
    max_request_bytes_in_flight: int = Field(
        134_217_728,
        ge=1_024,
        le=1 << 40,
        description="Total bytes of all requests in this process. Each request takes up to five "
        "times its bytes of memory until its answer begins.",
    )
    max_turns: int = Field(
        4_096, ge=1, le=65_536, description="Turns that the history of a request may have."
    )
    request_timeout_seconds: PositiveSeconds = Field(
        10, description="Timeout for the message of a request to arrive."
    )
    max_streams_per_connection: int = Field(
        100,
        ge=1,
        le=1_000_000,
        description="Calls of one connection at once. A gRPC client holds further calls back "
        "until one has ended.",
    )
    connection_age_seconds: PositiveSeconds = Field(
        300,
        description="Age, plus or minus a tenth, at which a caller's connection is asked to end: "
        "running calls finish on it, new ones use a new connection.",
    )
    keepalive_seconds: PositiveSeconds = Field(
        30, description="Time without data after which a caller's connection is pinged."
    )
    keepalive_timeout_seconds: PositiveSeconds = Field(
        10, description="Timeout for the answer to that ping; then the connection is closed."
    )

    drain_seconds: Seconds = Field(
        5,
        description="How long to report NOT_SERVING and still accept calls after SIGTERM.",
    )
    grace_seconds: Seconds = Field(
        30,
        description="How long running answers may take to finish after `TOKENWIRE_DRAIN_SECONDS`.",
    )

    prices: Prices = Field(
        (),
        description="Prices of tokens, for the cost in metrics and in `Usage`: "
        "`MODEL=INPUT:OUTPUT` or `MODEL=INPUT:OUTPUT:CACHED`, dollars per million tokens, "
        "separated by commas.",
    )
    usage_file: Path | None = Field(
        None,
        description="File to which a JSON line is appended for each call, for billing "
        "(docs/usage.md). Unset: none.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that is logged."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto`: console on a terminal, JSON elsewhere."
    )
    no_color: str = Field(
        "",
        validation_alias="NO_COLOR",
        description="Any value: no colours in the log on a terminal, as https://no-color.org "
        "defines.",
    )
    otlp_endpoint: str | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        repr=False,
        description="Where to export traces; unset: nowhere. The other standard `OTEL_*` "
        "variables apply too, as the OpenTelemetry SDK reads them from the environment.",
    )
    otlp_traces_endpoint: str | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        repr=False,
        description="The same for traces only; takes precedence and is used unchanged, path "
        "included.",
    )
    otlp_protocol: LowerCase = Field(
        "grpc",
        validation_alias="OTEL_EXPORTER_OTLP_PROTOCOL",
        description="Protocol of the trace exporter: `grpc` or `http/protobuf`.",
    )
    otlp_traces_protocol: LowerCase | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        description="The same for traces only; takes precedence.",
    )
    traces_exporter: LowerCaseNames = Field(
        (),
        validation_alias="OTEL_TRACES_EXPORTER",
        description="Exporters of traces: `otlp`, `console` (JSON lines on stdout), both "
        "separated by a comma, or `none`; unset: `otlp` if an endpoint is set, otherwise `none`.",
    )
    otel_disabled: OtelFlag = Field(
        default=False,
        validation_alias="OTEL_SDK_DISABLED",
        description="`true` turns tracing off.",
    )

    capture_content: CaptureContent = Field(
        default=False,
        validation_alias="OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        description="Whether spans contain prompts and answers; the newer values of the "
        "conventions, such as `span_only` and `no_content`, are accepted too.",
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        require_whole_tls(self.tls_certificate_file, self.tls_key_file, self.tls_client_ca_file)
        return self

    @model_validator(mode="after")
    def _a_request_has_room(self) -> Self:
        require_room_for_a_request(self.max_request_bytes, self.max_request_bytes_in_flight)
        return self

    @model_validator(mode="after")
    def _channelz_has_one_process(self) -> Self:
        if self.workers > 1:
            require_unset(
                "TOKENWIRE_CHANNELZ_LISTEN",
                is_set=self.channelz_listen is not None,
                beside="TOKENWIRE_WORKERS above 1, because only one process can listen there",
            )
        return self

    @model_validator(mode="after")
    def _tracing_is_usable(self) -> Self:
        if tracing.OTLP in self.span_exporters:
            tracing.require_usable_otlp(
                self.otlp_endpoint,
                self.otlp_traces_endpoint,
                self.otlp_protocol,
                self.otlp_traces_protocol,
            )
        return self

    @property
    def span_exporters(self) -> tuple[str, ...]:
        """The exporters of traces: `otlp`, `console`, both or none."""
        if self.otel_disabled:
            return ()
        has_endpoint = bool(self.otlp_endpoint or self.otlp_traces_endpoint)
        return tracing.span_exporters(self.traces_exporter, has_endpoint=has_endpoint)

    @property
    def span_protocol(self) -> str:
        """The protocol of the exporter `otlp`: `grpc` or `http/protobuf`."""
        return self.otlp_traces_protocol or self.otlp_protocol

    @model_validator(mode="after")
    def _upstream_is_given(self) -> Self:
        if self.config is not None:
            own = {
                "TOKENWIRE_MODEL": "model" in self.model_fields_set,
                "TOKENWIRE_MODELS": bool(self.models),
                "TOKENWIRE_PRICES": bool(self.prices),
                "TOKENWIRE_EMBEDDING_MODEL": self.embedding_model is not None,
            }
            for variable, is_set in own.items():
                require_unset(variable, is_set=is_set, beside="TOKENWIRE_CONFIG, whose file has it")
            return self
        if self.provider == "openai" and self.api_key is None and self.base_url is None:
            raise PydanticCustomError(
                "upstream",
                "OPENAI_API_KEY is not set; set it, or set OPENAI_BASE_URL for an upstream "
                "that needs no key, or use --demo for the built-in demo model",
            )
        return self

    @model_validator(mode="after")
    def _base_url_can_be_sent(self) -> Self:
        base_url = str(self.base_url or "")
        require_no_fragment(base_url)
        require_one_credential(base_url, key_is_set=self.api_key is not None)
        return self

    @model_validator(mode="after")
    def _provider_has_what_is_set(self) -> Self:
        if self.provider != "openai":
            other = "a TOKENWIRE_PROVIDER other than openai"
            has_embeddings = self.embedding_model is not None
            require_unset("TOKENWIRE_TOKENIZER", is_set=self.tokenizer != "none", beside=other)
            require_unset("TOKENWIRE_EMBEDDING_MODEL", is_set=has_embeddings, beside=other)
        return self


def variables(field: str) -> tuple[str, ...]:
    """Return the environment variables of a field of Settings, the strongest first.

    Raises:
        KeyError: There is no such field.
    """
    return names_of(Settings.model_fields[field])
