from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Final, Self

import grpc
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from tokenwire_client.channel import MOST_ATTEMPTS, Option, open_channel
from tokenwire_client.errors import ChatError, Metadatum
from tokenwire_client.request import build_message
from tokenwire_client.stream import AnswerStream
from tokenwire_client.v1.chatgpt_pb2 import Turn
from tokenwire_client.v1.chatgpt_pb2_grpc import ChatgptStub

HEALTH_CHECK: Final = "/grpc.health.v1.Health/Check"
SERVING: Final = 1
"""grpc.health.v1.HealthCheckResponse.SERVING."""


class Client:
    """A connection to tokenwire servers, for as many calls at a time as you like.

    Make one and keep it: `async with Client(target) as client`. It reconnects by
    itself, spreads calls over all addresses of the target, and repeats a call
    that ended with UNAVAILABLE before the first token.

    Args:
        target: Where the servers are: `host:port`, or `dns:///host:port`.
        credentials: For TLS, `grpc.ssl_channel_credentials()`. Plaintext without.
        metadata: Sent with every call, such as `[("authorization", "Bearer ...")]`.
        max_attempts: How often one call is tried in all, 1 to 5; 1 never repeats.
            Where the server says when to come back, the next attempt waits for it.
        options: Channel options of gRPC Core; they win over this client's own.

    Raises:
        ValueError: `max_attempts` is out of range.
    """

    def __init__(
        self,
        target: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Sequence[Metadatum] = (),
        max_attempts: int = 3,
        options: Sequence[Option] = (),
    ) -> None:
        if not 1 <= max_attempts <= MOST_ATTEMPTS:
            raise ValueError(f"max_attempts is {max_attempts}; allowed are 1 to {MOST_ATTEMPTS}")
        self.target = target
        self._credentials = credentials
        self._metadata = tuple(metadata)
        self._max_attempts = max_attempts
        self._options = tuple(options)
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
        """Open the client, where `async with` does not fit; `close` it afterwards.

        Raises:
            RuntimeError: It is already open.
        """
        # The channel belongs to the running event loop, so it is made here: a
        # Client itself may be made anywhere, for example at import.
        if self._channel is not None:
            raise RuntimeError("this Client is already open; open it once and share it")
        self._channel = open_channel(
            self.target, self._credentials, self._max_attempts, self._options
        )

    async def close(self) -> None:
        """Close the connection; answers still running end with a ChatError CANCELLED."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    def send(  # noqa: PLR0913 - the fields of a request, each by its own name
        self,
        content: str,
        *,
        history: Iterable[Turn | tuple[str, str]] = (),
        system: str | None = None,
        model: str = "",
        temperature: float | None = None,
        max_tokens: int | None = None,
        top_p: float | None = None,
        stop: Sequence[str] = (),
        seed: int | None = None,
        frequency_penalty: float | None = None,
        presence_penalty: float | None = None,
        user: str = "",
        timeout: float | None = None,
        metadata: Sequence[Metadatum] = (),
    ) -> AnswerStream:
        """Send a message at once and return its answer as a stream.

        Each `Answer` before the last carries a piece of text in `content`; the
        last one has empty content and carries `finish_reason`, `model`, `id` and,
        where the upstream reports it, `usage`. Iterating raises ChatError when
        the call fails.

        Args:
            content: The text to answer.
            history: Earlier turns, oldest first: `Turn` messages or pairs
                `("user", text)` and `("assistant", text)`.
            system: Replaces the server's system prompt; empty means none at all.
            model: The model's name; empty for the server's default.
            temperature: 0 to 2.
            max_tokens: The most tokens to generate.
            top_p: Nucleus sampling mass, above 0 and up to 1.
            stop: Up to 4 texts that end the answer.
            seed: For repeatable sampling, where the upstream supports it.
            frequency_penalty: -2 to 2.
            presence_penalty: -2 to 2.
            user: An opaque name of the end user.
            timeout: Seconds until the call, with all its attempts, is given up
                with DEADLINE_EXCEEDED; none by default.
            metadata: Sent with this call, after the client's own.

        Raises:
            RuntimeError: The client is not open.
            TypeError: An argument has the wrong type.
            ValueError: A turn of `history` has another shape or role, a text is
                not valid Unicode, or a number does not fit its field.
        """
        message = build_message(
            content,
            history=history,
            system=system,
            model=model,
            temperature=temperature,
            max_tokens=max_tokens,
            top_p=top_p,
            stop=stop,
            seed=seed,
            frequency_penalty=frequency_penalty,
            presence_penalty=presence_penalty,
            user=user,
        )
        stub = ChatgptStub(self._open_channel())
        call = stub.Send(message, timeout=timeout, metadata=(*self._metadata, *metadata))
        return AnswerStream(call)

    async def check(
        self,
        service: str = "openai.Chatgpt",
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - becomes the deadline that the server sees
    ) -> bool:
        """Ask the server whether a service is ready; empty means the whole server.

        Args:
            service: The full name of a gRPC service.
            timeout: Seconds until the call is given up with DEADLINE_EXCEEDED.

        Returns:
            Whether the server says SERVING.

        Raises:
            ChatError: The call failed; code NOT_FOUND: the server does not know
                the service; UNIMPLEMENTED: it offers no health checks.
            RuntimeError: The client is not open.
        """
        # HealthCheckRequest is one string and HealthCheckResponse one enum, both in field 1: on
        # the wire the same as protobuf's own wrappers. Their stubs would be one more dependency,
        # or a second copy of what another package may have registered.
        health_check = self._open_channel().unary_unary(
            HEALTH_CHECK,
            request_serializer=StringValue.SerializeToString,
            response_deserializer=Int32Value.FromString,
        )
        try:
            status = await health_check(
                StringValue(value=service), timeout=timeout, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            raise ChatError.from_rpc_error(error) from error
        return status.value == SERVING

    def _open_channel(self) -> grpc.aio.Channel:
        if self._channel is None:
            raise RuntimeError(
                "this Client is not open; write `async with Client(...) as client:` around its use"
            )
        return self._channel
