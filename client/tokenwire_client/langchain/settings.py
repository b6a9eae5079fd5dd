"""The fields of the chat model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import grpc
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LangSmithParams
from langchain_core.utils import secret_from_env
from pydantic import ConfigDict, Field, SecretStr
from typing_extensions import override

from tokenwire_client.channel import DEFAULT_ATTEMPTS, MAX_ATTEMPTS, Option, SyncInterceptor
from tokenwire_client.errors import Metadatum
from tokenwire_client.langchain.answers import PROVIDER
from tokenwire_client.langchain.parameters import PARAMETERS

KEY_VARIABLE: Final = "TOKENWIRE_API_KEY"


class ChatTokenwireSettings(BaseChatModel):
    """What a ChatTokenwire is made with: where the server is, how it is called, and parameters."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    target: str
    """The gRPC target: `host:port`, or `dns:///host:port`."""

    api_key: SecretStr | None = Field(default_factory=secret_from_env(KEY_VARIABLE, default=None))
    """The caller's key, by default from the environment variable TOKENWIRE_API_KEY."""

    token_file: str | Path | None = None
    """A file with the caller's token, instead of a key."""

    credentials: grpc.ChannelCredentials | None = Field(default=None, exclude=True)
    """The TLS credentials, such as `grpc.ssl_channel_credentials()`; None for plaintext."""

    call_metadata: Sequence[Metadatum] = ()
    """gRPC metadata of every call."""

    max_retries: int = Field(default=DEFAULT_ATTEMPTS - 1, ge=0, lt=MAX_ATTEMPTS)
    """How often gRPC may repeat a call that fails before the model has begun to answer, 0 to 4.
    It waits as long as the server says."""

    channel_options: Sequence[Option] = ()
    """Channel options of gRPC Core."""

    interceptors: Sequence[SyncInterceptor] = Field(default=(), exclude=True)
    """gRPC's interceptors of `invoke` and `stream`."""

    async_interceptors: Sequence[grpc.aio.ClientInterceptor] = Field(default=(), exclude=True)
    """gRPC's interceptors of `ainvoke` and `astream`."""

    streaming: bool = False
    """Whether `invoke` streams the answer too."""

    timeout: float | None = None
    """The deadline of a call with all its attempts, in seconds."""

    model: str = ""
    """The model's name; empty for the server's default."""

    temperature: float | None = None
    """Sampling temperature, 0 to 2."""

    max_tokens: int | None = None
    """The most tokens of an answer."""

    top_p: float | None = None
    """Nucleus sampling mass, above 0 and up to 1."""

    stop: Sequence[str] | None = None
    """Up to 4 texts that end the answer."""

    seed: int | None = None
    """A seed for repeatable sampling."""

    frequency_penalty: float | None = None
    """-2 to 2."""

    presence_penalty: float | None = None
    """-2 to 2."""

    user: str | None = None
    """An opaque name of the end user."""

    top_logprobs: int | None = None
    """Asks for log probabilities, with this many alternatives, 0 to 20."""

    top_k: int | None = None
    """How many tokens the model chooses from."""

    min_p: float | None = None
    """The least probability of a token, relative to the most probable one."""

    logit_bias: dict[int, float] | None = None
    """What to add to the logits of tokens, by their ids."""

    service_tier: Literal["auto", "default", "flex", "priority"] | None = None
    """The class of service at the upstream."""

    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    """How much the model reasons."""

    reasoning_max_tokens: int | None = None
    """The most tokens to spend on reasoning."""

    show_reasoning: bool | None = None
    """Whether answers have the reasoning, as blocks of type `reasoning` in `content_blocks`."""

    labels: dict[str, str] | None = None
    """Names and values for the server's log line of a call."""

    @property
    @override
    def _llm_type(self) -> str:
        return PROVIDER

    @property
    @override
    def _identifying_params(self) -> dict[str, Any]:
        return {"target": self.target, **self._parameters()}

    @property
    @override
    def lc_secrets(self) -> dict[str, str]:
        return {"api_key": KEY_VARIABLE}

    @classmethod
    @override
    def is_lc_serializable(cls) -> bool:
        return True

    @classmethod
    @override
    def get_lc_namespace(cls) -> list[str]:
        return ["tokenwire_client", "langchain"]

    @override
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        found = super()._get_ls_params(stop=stop or list(self.stop or ()) or None, **kwargs)
        found["ls_provider"] = PROVIDER
        return found

    def _parameters(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*PARAMETERS, "stop")}
