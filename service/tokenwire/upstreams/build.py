"""Builds what the settings describe: the model, its embeddings, and what counts its tokens."""

import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import HttpUrl

from tokenwire.config import Settings
from tokenwire.config.environment import hidden_variables
from tokenwire.config.providers import PROVIDER_SETTINGS
from tokenwire.core.chat_model import ChatModel
from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.embeddings import EmbeddingModel
from tokenwire.core.token_counter import Estimator, TokenCounter
from tokenwire.upstreams.http.client import HttpClient
from tokenwire.upstreams.openai.chat_payload import ChatForm
from tokenwire.upstreams.openai.dialect import ChatDialect, Dialect, ResponsesDialect
from tokenwire.upstreams.openai.embeddings import OpenAIEmbeddings
from tokenwire.upstreams.openai.endpoint import CHAT_PATH, RESPONSES_PATH, Credentials
from tokenwire.upstreams.openai.json_request import JsonRequests
from tokenwire.upstreams.openai.model import OpenAIModel
from tokenwire.upstreams.openai.request_form import RequestForm
from tokenwire.upstreams.openai.token_counter import OpenAITokenCounter, Tokenizer
from tokenwire.upstreams.openai.upstream import OPENAI_BASE_URL, Upstream
from tokenwire.upstreams.progress_timer import Timeouts


@dataclass(frozen=True, slots=True)
class Extra:
    """What only the gateway file says of an upstream.

    Attributes:
        headers: Further headers of each request.
        authorities: See `HttpClient`.
        region: The region of AWS; None for the one in the address.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    authorities: ssl.SSLContext | None = None
    region: str | None = None


NO_EXTRA: Final = Extra()


@dataclass(frozen=True, slots=True)
class Models:
    """What one upstream offers.

    Attributes:
        chat: Answers messages. Closing it closes the connections that all of them share.
        token_counter: Counts the tokens of messages.
        embeddings: Turns texts into vectors; None if the provider has no embeddings.
    """

    chat: ChatModel
    token_counter: TokenCounter = field(default_factory=Estimator)
    embeddings: EmbeddingModel | None = None


def build_models(settings: Settings, extra: Extra = NO_EXTRA) -> Models:
    """Return what `settings` describe.

    Args:
        settings: The settings.
        extra: What the upstream needs besides.

    Raises:
        SettingsError: See `build_langchain`.
    """
    if settings.provider != "openai":
        # Imported here, as in `build_provider_models`, because LangChain takes 40 MB and a second,
        # and upstreams of the provider `openai` do not need it.
        from tokenwire.upstreams.langchain.startup import build_langchain  # noqa: PLC0415
        from tokenwire.upstreams.langchain.token_counter import (  # noqa: PLC0415
            LangChainTokenCounter,
        )

        model = build_langchain(settings, timeouts_of(settings))
        return Models(model, LangChainTokenCounter(model))
    chat, upstream = _build_openai(settings, extra)
    requests = JsonRequests(upstream, timeouts_of(settings))
    tokenizer = None
    if settings.tokenizer != "none":
        # The tokenizer takes the messages of chat completions, whatever the dialect.
        tokenizer = Tokenizer(_chat_form(settings), _form(settings), upstream, requests)
    return Models(
        chat,
        OpenAITokenCounter(chat.dialect, tokenizer),
        OpenAIEmbeddings(upstream, requests),
    )


def build_provider_models(settings: Settings, address: str | None, extra: Extra) -> Models:
    """Return what an upstream of another provider than `openai` offers.

    Args:
        settings: The settings; of the provider's own, only the key counts, as `api_key`.
        address: The upstream's address; None for the provider's own.
        extra: What the upstream needs besides.

    Raises:
        SettingsError: The provider's package is not installed.
    """
    # See `build_models`.
    from tokenwire.upstreams.langchain.startup import build_provider  # noqa: PLC0415
    from tokenwire.upstreams.langchain.token_counter import LangChainTokenCounter  # noqa: PLC0415

    fields: dict[str, Any] = {"api_key": settings.api_key}
    if address:
        fields["base_url"] = HttpUrl(address)
    if extra.region:
        fields["region"] = extra.region
    own = PROVIDER_SETTINGS[settings.provider].model_construct(**fields)
    client = _http_client(settings, extra)
    model = build_provider(own, settings.provider, settings.model, client, timeouts_of(settings))
    return Models(model, LangChainTokenCounter(model))


def import_packages(providers: Iterable[str]) -> None:
    """Import what upstreams of these providers need, which can take a second.

    A package that is not installed is left for `build_provider_models` to name.
    """
    others = {*providers} - {"openai"}
    if not others:
        return
    from tokenwire.upstreams.langchain.provider import PROVIDERS  # noqa: PLC0415 - as above

    for name in others:
        # As `build_provider` imports them.
        with suppress(ImportError), hidden_variables():
            PROVIDERS[name].load()


def _http_client(settings: Settings, extra: Extra) -> HttpClient:
    return HttpClient(
        settings.connect_timeout_seconds,
        str(settings.proxy) if settings.proxy else None,
        extra.authorities,
        extra.headers,
    )


def build_model(settings: Settings) -> ChatModel:
    """Return the chat model that `settings` describe; see `build_models`."""
    return build_models(settings).chat


def build_openai(settings: Settings) -> OpenAIModel:
    """Return the chat model of an OpenAI-compatible upstream."""
    return _build_openai(settings, NO_EXTRA)[0]


def _build_openai(settings: Settings, extra: Extra) -> tuple[OpenAIModel, Upstream]:
    uses_responses = _uses_responses(settings)
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    upstream = Upstream(
        _base_url(settings),
        Credentials(key, settings.organization or "", settings.project or ""),
        _http_client(settings, extra),
        RESPONSES_PATH if uses_responses else CHAT_PATH,
    )
    dialect: Dialect
    if uses_responses:
        dialect = ResponsesDialect(StateCodec(_base_url(settings), "responses"))
    else:
        dialect = ChatDialect(_chat_form(settings), _form(settings))
    model = OpenAIModel(
        dialect, upstream, timeouts_of(settings), merge_tokens=settings.merge_tokens
    )
    return model, upstream


def _chat_form(settings: Settings) -> ChatForm:
    return ChatForm(
        settings.model,
        _max_tokens_parameter(settings),
        settings.stream_usage,
        StateCodec(_base_url(settings), "chat"),
    )


def timeouts_of(settings: Settings) -> Timeouts:
    """Return the upstream's time limits from `settings`."""
    return Timeouts(
        first_token=settings.first_token_timeout_seconds, idle=settings.idle_timeout_seconds
    )


def _base_url(settings: Settings) -> str:
    return str(settings.base_url or OPENAI_BASE_URL)


def _form(settings: Settings) -> RequestForm:
    return RequestForm(settings.reasoning_parameter, settings.constraint_parameter)


def _uses_responses(settings: Settings) -> bool:
    if settings.dialect != "auto":
        return settings.dialect == "responses"
    return urlsplit(_base_url(settings)).hostname == urlsplit(OPENAI_BASE_URL).hostname


def _max_tokens_parameter(settings: Settings) -> str:
    if settings.max_tokens_parameter != "auto":
        return settings.max_tokens_parameter
    host = urlsplit(_base_url(settings)).hostname or ""
    if host.endswith((".openai.com", ".azure.com")):
        return "max_completion_tokens"
    return "max_tokens"
