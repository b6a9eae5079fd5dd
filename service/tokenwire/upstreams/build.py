"""Builds what the settings describe: the model, its embeddings, and what counts its tokens."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

import openai

from tokenwire.config import Settings, SettingsError
from tokenwire.core.chat_model import ChatModel
from tokenwire.core.embeddings import EmbeddingModel
from tokenwire.core.token_counter import Estimator, TokenCounter
from tokenwire.upstreams.langchain import LangChainModel
from tokenwire.upstreams.langchain_token_counter import LangChainTokenCounter
from tokenwire.upstreams.openai.chat_model import StreamingChatOpenAI
from tokenwire.upstreams.openai.embeddings import OpenAIEmbeddings
from tokenwire.upstreams.openai.endpoint import Credentials
from tokenwire.upstreams.openai.json_request import JsonRequests
from tokenwire.upstreams.openai.model import OpenAIModel
from tokenwire.upstreams.openai.request_form import RequestForm
from tokenwire.upstreams.openai.token_counter import OpenAITokenCounter
from tokenwire.upstreams.openai.upstream import OPENAI_BASE_URL, Upstream
from tokenwire.upstreams.progress_timer import Timeouts


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


def build_models(settings: Settings) -> Models:
    """Return what `settings` describe.

    Raises:
        SettingsError: LangChain does not support the provider, or its package is not installed.
    """
    if settings.provider != "openai":
        model = _build_langchain(settings)
        return Models(model, LangChainTokenCounter(model))
    upstream = _upstream(settings)
    chat_model = _chat_model(settings, upstream)
    form = _form(settings)
    requests = JsonRequests(upstream, timeouts_of(settings))
    return Models(
        _openai_model(settings, chat_model, upstream),
        OpenAITokenCounter(
            chat_model, form, upstream, None if settings.tokenizer == "none" else requests
        ),
        OpenAIEmbeddings(upstream, requests),
    )


def build_model(settings: Settings) -> ChatModel:
    """Return the chat model that `settings` describe; see `build_models`."""
    return build_models(settings).chat


def build_openai(settings: Settings) -> OpenAIModel:
    """Return the chat model of an OpenAI-compatible upstream."""
    upstream = _upstream(settings)
    return _openai_model(settings, _chat_model(settings, upstream), upstream)


def _upstream(settings: Settings) -> Upstream:
    return Upstream(
        _base_url(settings),
        Credentials(_key(settings), settings.organization or "", settings.project or ""),
        settings.connect_timeout_seconds,
        str(settings.proxy) if settings.proxy else None,
    )


def _base_url(settings: Settings) -> str:
    return str(settings.base_url or OPENAI_BASE_URL)


def _key(settings: Settings) -> str:
    return settings.api_key.get_secret_value() if settings.api_key else ""


def _form(settings: Settings) -> RequestForm:
    return RequestForm(settings.reasoning_parameter, settings.constraint_parameter)


def _chat_model(settings: Settings, upstream: Upstream) -> StreamingChatOpenAI:
    base_url = _base_url(settings)
    return StreamingChatOpenAI(
        upstream=upstream,
        max_tokens_parameter=_max_tokens_parameter(settings, base_url),
        model=settings.model,
        base_url=base_url,
        # ChatOpenAI requires a key, but only Upstream sends requests.
        api_key=_key(settings) or "none",
        stream_usage=settings.stream_usage,
        use_responses_api=False,
        max_retries=0,
        # The default clients read proxies and certificates from the environment, and some values
        # there raise at startup. The service sends no requests through these clients.
        openai_proxy=None,
        http_client=openai.DefaultHttpxClient(trust_env=False),
        http_async_client=openai.DefaultAsyncHttpxClient(trust_env=False),
        http_socket_options=(),
    )


def _openai_model(
    settings: Settings, chat_model: StreamingChatOpenAI, upstream: Upstream
) -> OpenAIModel:
    return OpenAIModel(
        chat_model,
        upstream,
        timeouts_of(settings),
        form=_form(settings),
        merge_tokens=settings.merge_tokens,
    )


def timeouts_of(settings: Settings) -> Timeouts:
    """Return the upstream's time limits from `settings`."""
    return Timeouts(
        first_token=settings.first_token_timeout_seconds, idle=settings.idle_timeout_seconds
    )


def _max_tokens_parameter(settings: Settings, base_url: str) -> str:
    if settings.max_tokens_parameter != "auto":
        return settings.max_tokens_parameter
    host = urlsplit(base_url).hostname or ""
    if host.endswith((".openai.com", ".azure.com")):
        return "max_completion_tokens"
    return "max_tokens"


def _build_langchain(settings: Settings) -> LangChainModel:
    # Imported here because it loads LangGraph, which OpenAI-compatible upstreams do not need.
    from langchain.chat_models import init_chat_model  # noqa: PLC0415

    try:
        model = init_chat_model(settings.model, model_provider=settings.provider)
    except (ImportError, ValueError) as error:
        problem = f"TOKENWIRE_PROVIDER={settings.provider}: {error}"
        raise SettingsError([problem.splitlines()[0]]) from None
    return LangChainModel(model, timeouts_of(settings))
