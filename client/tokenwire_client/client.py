"""The client."""

from collections.abc import Awaitable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar, Unpack

import grpc
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from tokenwire_client.caller_credentials import CallerCredentials
from tokenwire_client.channel import DEFAULT_ATTEMPTS, Option, check_attempts, open_channel
from tokenwire_client.errors import ChatError, Metadatum
from tokenwire_client.request import RequestOptions, build_embed_request, build_message
from tokenwire_client.stream import AnswerStream
from tokenwire_client.v1.chatgpt_pb2 import (
    Answer,
    EmbedResponse,
    ListModelsRequest,
    ListModelsResponse,
    TokenCount,
)
from tokenwire_client.v1.chatgpt_pb2_grpc import ChatgptStub

HEALTH_CHECK: Final = "/grpc.health.v1.Health/Check"
SERVING: Final = 1
"""grpc.health.v1.HealthCheckResponse.SERVING."""

Response = TypeVar("Response")


class Client:
    """A client of one or more tokenwire servers, for any number of concurrent calls.

    Create one client and share it: `async with Client(target) as client`. The client
    reconnects, distributes calls over all addresses of the target, and retries calls
    that end with UNAVAILABLE before the model has begun to answer.

    Args:
        target: The gRPC target: `host:port`, or `dns:///host:port`.
        credentials: The TLS credentials, such as `grpc.ssl_channel_credentials()`;
            None for plaintext.
        key: The caller's key, which every call has as `authorization`.
        token_file: A file with the caller's token, instead of a key, such as that of a
            Kubernetes service account. It is read again when it changes.
        metadata: Further metadata of every call.
        max_attempts: The most attempts of one call, 1 to 5; 1 disables retries. If
            the server asks to wait before a retry, the next attempt waits.
        options: Channel options of gRPC Core. They override the client's own.
        interceptors: gRPC's interceptors of calls, the outermost first.

    Raises:
        ValueError: `max_attempts` is out of range, `key` is not one line of printable ASCII, or
            both `key` and `token_file` are given.
    """

    def __init__(  # noqa: PLR0913 - independent options, all with defaults
        self,
        target: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        key: str | None = None,
        token_file: str | Path | None = None,
        metadata: Sequence[Metadatum] = (),
        max_attempts: int = DEFAULT_ATTEMPTS,
        options: Sequence[Option] = (),
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    ) -> None:
        check_attempts(max_attempts)
        self.target = target
        self._credentials = credentials
        self._caller = CallerCredentials(key, token_file)
        self._metadata = tuple(metadata)
        self._max_attempts = max_attempts
        self._options = tuple(options)
        self._interceptors = tuple(interceptors)
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Open the client without `async with`. The caller must `close` it.

        Raises:
            RuntimeError: The client is already open.
        """
        # A channel belongs to the running event loop. A Client can be created without
        # one, for example at import.
        if self._channel is not None:
            raise RuntimeError("this Client is already open; open it once and share it")
        self._channel = open_channel(
            self.target, self._credentials, self._max_attempts, self._options, self._interceptors
        )

    async def close(self) -> None:
        """Close the connections. Running answers end with a ChatError CANCELLED."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    def send(
        self,
        content: str,
        *,
        timeout: float | None = None,
        metadata: Sequence[Metadatum] = (),
        **options: Unpack[RequestOptions],
    ) -> AnswerStream:
        """Start a call and return the answer as a stream.

        Each `Answer` before the last carries a part of the text in `content`, or of
        the reasoning in `reasoning`. The last one carries `finish_reason`, `model`,
        `id` and, if the upstream reports it, `usage`. The iteration raises ChatError
        if the call fails.

        Args:
            content: The text to answer; may be empty if `parts` is set or the history ends
                with the result of a tool.
            timeout: The deadline of the call with all its attempts, in seconds from
                now; None for no deadline.
            metadata: Metadata of this call, in addition to the client's.
            history: Earlier turns, oldest first: `Turn` messages or pairs
                `("user", text)` and `("assistant", text)`.
            system: The system prompt; None for the server's, empty for none.
            model: The model's name; empty for the server's default.
            temperature: 0 to 2.
            max_tokens: The most tokens to generate.
            top_p: Nucleus sampling mass, above 0 and up to 1.
            stop: Up to 4 texts that end the answer.
            seed: A seed for repeatable sampling, if the upstream supports it.
            frequency_penalty: -2 to 2.
            presence_penalty: -2 to 2.
            user: An opaque name of the end user.
            top_logprobs: Asks for log probabilities, with this many alternatives, 0 to 20.
            top_k: How many tokens the model chooses from.
            min_p: The least probability of a token, relative to the most probable one.
            logit_bias: What to add to the logits of tokens, by their ids.
            service_tier: The class of service at the upstream.
            parts: Images, audio and files that belong to `content`, such as
                `Part(inline=data, media_type="image/png")`.
            reasoning: How the model reasons, and whether the answer has the reasoning,
                as in `Reasoning(effort=Effort.EFFORT_LOW, show=True)`.
            tools: The tools that the model may call. Answers then carry calls in `tool_calls`.
            tool_choice: Whether and which tools the model must call.
            format: The form of the answer's text, such as
                `Format(json_schema=JsonSchema(schema=json.dumps(...)))`.
            stream_tool_calls: Whether tool calls arrive in pieces; see `Answer.tool_calls`.
            labels: Names and values for the server's log line of the call.
            show_progress: Whether answers tell what the request waits for.

        Raises:
            RuntimeError: The client is not open.
            TypeError: An argument has the wrong type.
            ValueError: An item of `history` has another shape or role, a text is
                not valid Unicode, or a number does not fit its field.
        """
        message = build_message(content, **options)
        stub = ChatgptStub(self._open_channel())
        call = stub.Send(message, timeout=timeout, metadata=self._all(metadata))
        return AnswerStream(call)

    async def ask(
        self,
        content: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - gRPC sends it to the server as the deadline
        metadata: Sequence[Metadatum] = (),
        **options: Unpack[RequestOptions],
    ) -> Answer:
        """Return the whole answer in one `Answer`.

        Args:
            content: The text to answer.
            timeout: See `send`.
            metadata: See `send`.
            **options: The other arguments of `send`.

        Raises:
            ChatError: The call failed.
            RuntimeError, TypeError, ValueError: See `send`.
        """
        message = build_message(content, **options)
        stub = ChatgptStub(self._open_channel())
        return await _result(stub.Ask(message, timeout=timeout, metadata=self._all(metadata)))

    async def list_models(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - gRPC sends it to the server as the deadline
        metadata: Sequence[Metadatum] = (),
    ) -> ListModelsResponse:
        """Return the models that a request may name.

        The models are in `models`, in ascending order of their names. `any_model` is true
        if a request may also name a model that is not listed.

        Args:
            timeout: See `send`.
            metadata: See `send`.

        Raises:
            ChatError: The call failed. UNIMPLEMENTED: the server is older than the method.
            RuntimeError: The client is not open.
        """
        stub = ChatgptStub(self._open_channel())
        return await _result(
            stub.ListModels(ListModelsRequest(), timeout=timeout, metadata=self._all(metadata))
        )

    async def count_tokens(
        self,
        content: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - gRPC sends it to the server as the deadline
        metadata: Sequence[Metadatum] = (),
        **options: Unpack[RequestOptions],
    ) -> TokenCount:
        """Return the number of tokens of a message's prompt, in `input_tokens`.

        `estimated` is true if the number is an estimate, because the server knows no
        counter of the upstream.

        Args:
            content: The text to answer.
            timeout: See `send`.
            metadata: See `send`.
            **options: The other arguments of `send`. They are validated as for `send`;
                those that are not a part of the prompt do not change the number.

        Raises:
            ChatError: The call failed.
            RuntimeError, TypeError, ValueError: See `send`.
        """
        message = build_message(content, **options)
        stub = ChatgptStub(self._open_channel())
        return await _result(
            stub.CountTokens(message, timeout=timeout, metadata=self._all(metadata))
        )

    async def embed(  # noqa: PLR0913 - the fields of a request, each by its own name
        self,
        texts: Sequence[str],
        *,
        model: str = "",
        dimensions: int | None = None,
        user: str = "",
        timeout: float | None = None,  # noqa: ASYNC109 - gRPC sends it to the server as the deadline
        metadata: Sequence[Metadatum] = (),
    ) -> EmbedResponse:
        """Return the vector of each text, in the order of the texts.

        The numbers of the first vector are `response.vectors[0].values`. `usage` is absent if
        the upstream reports none.

        Args:
            texts: The texts, 1 to 2,048; none may be empty.
            model: The model's name; empty for the server's default, if it has one.
            dimensions: The length of the vectors; None for the model's own.
            user: An opaque name of the end user.
            timeout: See `send`.
            metadata: See `send`.

        Raises:
            ChatError: The call failed. INVALID_ARGUMENT with the field `texts`: the vectors
                together are larger than a response may be; send fewer texts in one call.
            RuntimeError: The client is not open.
            TypeError: `texts` is a string instead of a sequence of strings.
            ValueError: A text is not valid Unicode, or a number does not fit its field.
        """
        request = build_embed_request(texts, model=model, dimensions=dimensions, user=user)
        stub = ChatgptStub(self._open_channel())
        return await _result(stub.Embed(request, timeout=timeout, metadata=self._all(metadata)))

    async def check(
        self,
        service: str = "openai.Chatgpt",
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - gRPC sends it to the server as the deadline
    ) -> bool:
        """Check the health of the server.

        Args:
            service: The full name of a gRPC service; empty for the whole server.
            timeout: The deadline of the call, in seconds from now.

        Returns:
            Whether the status is SERVING.

        Raises:
            ChatError: The call failed. NOT_FOUND: the server does not have the service.
                UNIMPLEMENTED: the server has no health service.
            RuntimeError: The client is not open.
        """
        # HealthCheckRequest is a string and HealthCheckResponse an enum, both in field 1, so
        # protobuf's wrappers are the same on the wire. The stubs of the health service would be
        # another dependency, or a second copy of messages that another package may register.
        health_check = self._open_channel().unary_unary(
            HEALTH_CHECK,
            request_serializer=StringValue.SerializeToString,
            response_deserializer=Int32Value.FromString,
        )
        try:
            status = await health_check(
                StringValue(value=service), timeout=timeout, metadata=self._all(())
            )
        except grpc.aio.AioRpcError as error:
            raise ChatError.from_rpc_error(error) from error
        return status.value == SERVING

    def _all(self, metadata: Sequence[Metadatum]) -> tuple[Metadatum, ...]:
        """Return the metadata of a call."""
        return (*self._caller.metadata(), *self._metadata, *metadata)

    def _open_channel(self) -> grpc.aio.Channel:
        if self._channel is None:
            raise RuntimeError(
                "this Client is not open; use it within `async with Client(...) as client:`"
            )
        return self._channel


async def _result(call: Awaitable[Response]) -> Response:
    """Return the response of a unary call; raise ChatError if it fails."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise ChatError.from_rpc_error(error) from error
