"""The client for code without asyncio."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack, cast

import grpc
from google.protobuf.message import Message as AnyMessage

from tokenwire_client.caller_credentials import CallerCredentials
from tokenwire_client.channel import (
    DEFAULT_ATTEMPTS,
    Option,
    SyncInterceptor,
    check_attempts,
    open_sync_channel,
)
from tokenwire_client.errors import ChatError, Metadatum
from tokenwire_client.request import RequestOptions, build_embed_request, build_message
from tokenwire_client.sync_stream import SyncAnswerStream
from tokenwire_client.v1.chatgpt_pb2 import (
    Answer,
    EmbedResponse,
    ListModelsRequest,
    ListModelsResponse,
    TokenCount,
)
from tokenwire_client.v1.chatgpt_pb2_grpc import ChatgptStub


class SyncClient:
    """`Client` for code without asyncio: its methods block. Any number of threads may share one.

    Use it as `with SyncClient(target) as client`, or call `open` and `close`.

    Args:
        target: See `Client`, as for all other arguments.
        credentials: The TLS credentials; None for plaintext.
        key: The caller's key.
        token_file: A file with the caller's token.
        metadata: Further metadata of every call.
        max_attempts: The most attempts of one call, 1 to 5.
        options: Channel options of gRPC Core.
        interceptors: gRPC's interceptors of calls that block, the outermost first.

    Raises:
        ValueError: `max_attempts` is out of range, `key` is not one line of printable ASCII, or
            both `key` and `token_file` are given.
    """

    def __init__(  # noqa: PLR0913 - see Client
        self,
        target: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        key: str | None = None,
        token_file: str | Path | None = None,
        metadata: Sequence[Metadatum] = (),
        max_attempts: int = DEFAULT_ATTEMPTS,
        options: Sequence[Option] = (),
        interceptors: Sequence[SyncInterceptor] = (),
    ) -> None:
        check_attempts(max_attempts)
        self.target = target
        self._credentials = credentials
        self._caller = CallerCredentials(key, token_file)
        self._metadata = tuple(metadata)
        self._max_attempts = max_attempts
        self._options = tuple(options)
        self._interceptors = tuple(interceptors)
        self._channel: grpc.Channel | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def open(self) -> None:
        """Open the client without `with`. The caller must `close` it.

        Raises:
            RuntimeError: The client is already open.
        """
        if self._channel is not None:
            raise RuntimeError("this SyncClient is already open; open it once and share it")
        self._channel = open_sync_channel(
            self.target, self._credentials, self._max_attempts, self._options, self._interceptors
        )

    def close(self) -> None:
        """Close the connections. Running answers end with a ChatError CANCELLED."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def send(
        self,
        content: str,
        *,
        timeout: float | None = None,
        metadata: Sequence[Metadatum] = (),
        **options: Unpack[RequestOptions],
    ) -> SyncAnswerStream:
        """Start a call and return the answer as a stream; see `Client.send`.

        Args:
            content: The text to answer.
            timeout: The deadline of the call, in seconds from now; None for no deadline.
            metadata: Metadata of this call, in addition to the client's.
            **options: The other arguments of `Client.send`.

        Raises:
            RuntimeError, TypeError, ValueError: See `Client.send`.
        """
        message = build_message(content, **options)
        return SyncAnswerStream(self._begin(self._stub().Send, message, timeout, metadata))

    def ask(
        self,
        content: str,
        *,
        timeout: float | None = None,
        metadata: Sequence[Metadatum] = (),
        **options: Unpack[RequestOptions],
    ) -> Answer:
        """Return the whole answer in one `Answer`; see `Client.ask` and `send`.

        Raises:
            ChatError: The call failed.
        """
        message = build_message(content, **options)
        response: Answer = self._call(self._stub().Ask, message, timeout, metadata)
        return response

    def list_models(
        self, *, timeout: float | None = None, metadata: Sequence[Metadatum] = ()
    ) -> ListModelsResponse:
        """Return the models that a request may name; see `Client.list_models`.

        Raises:
            ChatError: The call failed.
        """
        request = ListModelsRequest()
        response: ListModelsResponse = self._call(
            self._stub().ListModels, request, timeout, metadata
        )
        return response

    def count_tokens(
        self,
        content: str,
        *,
        timeout: float | None = None,
        metadata: Sequence[Metadatum] = (),
        **options: Unpack[RequestOptions],
    ) -> TokenCount:
        """Return the number of tokens of a prompt; see `Client.count_tokens`.

        Raises:
            ChatError: The call failed.
        """
        message = build_message(content, **options)
        response: TokenCount = self._call(self._stub().CountTokens, message, timeout, metadata)
        return response

    def embed(  # noqa: PLR0913 - the fields of a request, each by its own name
        self,
        texts: Sequence[str],
        *,
        model: str = "",
        dimensions: int | None = None,
        user: str = "",
        timeout: float | None = None,
        metadata: Sequence[Metadatum] = (),
    ) -> EmbedResponse:
        """Return the vector of each text; see `Client.embed`.

        Raises:
            ChatError: The call failed.
        """
        request = build_embed_request(texts, model=model, dimensions=dimensions, user=user)
        response: EmbedResponse = self._call(self._stub().Embed, request, timeout, metadata)
        return response

    def _stub(self) -> Any:
        if self._channel is None:
            raise RuntimeError(
                "this SyncClient is not open; use it within `with SyncClient(...) as client:`"
            )
        return ChatgptStub(self._channel)

    def _begin(
        self,
        method: Callable[..., Any],
        request: AnyMessage,
        timeout: float | None,
        metadata: Sequence[Metadatum],
    ) -> Any:
        return method(request, timeout=timeout, metadata=self._all(metadata))

    def _all(self, metadata: Sequence[Metadatum]) -> tuple[Metadatum, ...]:
        """Return the metadata of a call."""
        return (*self._caller.metadata(), *self._metadata, *metadata)

    def _call(
        self,
        method: Callable[..., Any],
        request: AnyMessage,
        timeout: float | None,
        metadata: Sequence[Metadatum],
    ) -> Any:
        try:
            return self._begin(method, request, timeout, metadata)
        except grpc.RpcError as error:
            # gRPC's exception of a call is the call too.
            raise ChatError.from_rpc_error(cast("grpc.Call", error)) from error
