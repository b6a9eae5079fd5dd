"""Builds the model that the settings describe."""

from urllib.parse import urlsplit

import openai

from tokenwire.config import Settings
from tokenwire.core.chat_model import ChatModel
from tokenwire.upstreams.langchain.startup import build_langchain
from tokenwire.upstreams.openai.chat_model import StreamingChatOpenAI
from tokenwire.upstreams.openai.dialect import ChatDialect, ResponsesDialect
from tokenwire.upstreams.openai.endpoint import CHAT_PATH, RESPONSES_PATH, Credentials
from tokenwire.upstreams.openai.model import OpenAIModel
from tokenwire.upstreams.openai.request_form import RequestForm
from tokenwire.upstreams.openai.upstream import OPENAI_BASE_URL, Upstream
from tokenwire.upstreams.progress_timer import Timeouts


def build_model(settings: Settings) -> ChatModel:
    """Return the model that `settings` describe.

    Raises:
        SettingsError: See `build_langchain`.
    """
    if settings.provider == "openai":
        return build_openai(settings)
    return build_langchain(settings, timeouts_of(settings))


def build_openai(settings: Settings) -> OpenAIModel:
    """Return the model of an OpenAI-compatible upstream."""
    base_url = str(settings.base_url or OPENAI_BASE_URL)
    uses_responses = _uses_responses(settings, base_url)
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    upstream = Upstream(
        base_url,
        Credentials(key, settings.organization or "", settings.project or ""),
        settings.connect_timeout_seconds,
        str(settings.proxy) if settings.proxy else None,
        RESPONSES_PATH if uses_responses else CHAT_PATH,
    )
    chat_model = StreamingChatOpenAI(
        upstream=upstream,
        max_tokens_parameter=_max_tokens_parameter(settings, base_url),
        model=settings.model,
        base_url=base_url,
        # ChatOpenAI requires a key, but only Upstream sends requests.
        api_key=key or "none",
        stream_usage=settings.stream_usage,
        use_responses_api=uses_responses,
        max_retries=0,
        # The default clients read proxies and certificates from the environment, and some values
        # there raise at startup. The service sends no requests through these clients.
        openai_proxy=None,
        http_client=openai.DefaultHttpxClient(trust_env=False),
        http_async_client=openai.DefaultAsyncHttpxClient(trust_env=False),
        http_socket_options=(),
    )
    form = RequestForm(settings.reasoning_parameter, settings.constraint_parameter)
    return OpenAIModel(
        ResponsesDialect(chat_model) if uses_responses else ChatDialect(chat_model, form),
        upstream,
        timeouts_of(settings),
        merge_tokens=settings.merge_tokens,
    )


def timeouts_of(settings: Settings) -> Timeouts:
    """Return the upstream's time limits from `settings`."""
    return Timeouts(
        first_token=settings.first_token_timeout_seconds, idle=settings.idle_timeout_seconds
    )


def _uses_responses(settings: Settings, base_url: str) -> bool:
    if settings.dialect != "auto":
        return settings.dialect == "responses"
    return urlsplit(base_url).hostname == urlsplit(OPENAI_BASE_URL).hostname


def _max_tokens_parameter(settings: Settings, base_url: str) -> str:
    if settings.max_tokens_parameter != "auto":
        return settings.max_tokens_parameter
    host = urlsplit(base_url).hostname or ""
    if host.endswith((".openai.com", ".azure.com")):
        return "max_completion_tokens"
    return "max_tokens"
