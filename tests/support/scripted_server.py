"""A server for tests of clients that answers every call with a given script."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message as AnyMessage
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_client.v1.chatgpt_pb2 import (
    Answer,
    EmbedRequest,
    EmbedResponse,
    FinishReason,
    ListModelsRequest,
    ListModelsResponse,
    Message,
    TokenCount,
    Usage,
)

Context = grpc.aio.ServicerContext[Message, Answer]
Script = Callable[[Message, Context], AsyncIterator[Answer]]

REQUEST_ID = "req-7"


class ScriptedServer:
    """Answers every call with `script` and records the requests.

    Attributes:
        script: The script that answers; it may be replaced between calls.
        address: The address that it listens on; by default a free port of 127.0.0.1.
        requests: Every received message, including each attempt of a retried call.
        metadata: The metadata of each of these messages.
        cancelled: Set once a caller has cancelled a call.
        replies: The responses of the other methods by their names. A method without one is
            UNIMPLEMENTED.
        unary_requests: Every received request of these methods.
        health: The health service; SERVING for "" and "openai.Chatgpt".
    """

    def __init__(
        self,
        script: Script,
        *,
        address: str = "127.0.0.1:0",
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self.address = address
        self.requests: list[Message] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.cancelled = asyncio.Event()
        self.replies: dict[str, AnyMessage] = {}
        self.unary_requests: list[AnyMessage] = []
        self.health: Any = health.aio.HealthServicer()
        self.script = script
        self._credentials = credentials
        self._server = grpc.aio.server(
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
        )

    async def __aenter__(self) -> Self:
        chatgpt_pb2_grpc.add_ChatgptServicer_to_server(_Servicer(self), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        await self.health.set("openai.Chatgpt", health_pb2.HealthCheckResponse.SERVING)
        if self._credentials is None:
            port = self._server.add_insecure_port(self.address)
        else:
            port = self._server.add_secure_port(self.address, self._credentials)
        self.address = f"127.0.0.1:{port}"
        await self._server.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._server.stop(grace=None)


class _Servicer(chatgpt_pb2_grpc.ChatgptServicer):
    def __init__(self, server: ScriptedServer) -> None:
        self._server = server

    async def Ask(  # noqa: N802 - the contract's name
        self, request: Message, context: Any
    ) -> Answer:
        whole = Answer()
        async for answer in self.Send(request, context):
            content, reasoning = whole.content + answer.content, whole.reasoning + answer.reasoning
            whole.MergeFrom(answer)
            whole.content, whole.reasoning = content, reasoning
        return whole

    async def ListModels(  # noqa: N802 - the contract's name
        self, request: ListModelsRequest, context: Any
    ) -> ListModelsResponse:
        reply: ListModelsResponse = await self._reply("ListModels", request, context)
        return reply

    async def CountTokens(  # noqa: N802 - the contract's name
        self, request: Message, context: Any
    ) -> TokenCount:
        reply: TokenCount = await self._reply("CountTokens", request, context)
        return reply

    async def Embed(  # noqa: N802 - the contract's name
        self, request: EmbedRequest, context: Any
    ) -> EmbedResponse:
        reply: EmbedResponse = await self._reply("Embed", request, context)
        return reply

    async def _reply(self, method: str, request: AnyMessage, context: Any) -> Any:
        self._server.unary_requests.append(request)
        self._server.metadata.append(dict(context.invocation_metadata()))
        if method not in self._server.replies:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        return self._server.replies[method]

    async def Send(  # noqa: N802 - the contract's name
        self, request: Message, context: Any
    ) -> AsyncIterator[Answer]:
        self._server.requests.append(request)
        self._server.metadata.append(dict(context.invocation_metadata()))
        context.set_trailing_metadata([("x-request-id", REQUEST_ID)])
        try:
            async for answer in self._server.script(request, context):
                yield answer
        except (asyncio.CancelledError, GeneratorExit):
            # GeneratorExit: the caller left while grpc.aio was writing an Answer.
            self._server.cancelled.set()
            raise


def says(
    *pieces: str,
    finish_reason: FinishReason.ValueType = FinishReason.FINISH_REASON_STOP,
    usage: Usage | None = None,
) -> Script:
    """Return a script that answers with these pieces and a finish reason."""

    async def script(_request: Message, _context: Context) -> AsyncIterator[Answer]:
        for piece in pieces:
            yield Answer(content=piece)
        yield Answer(finish_reason=finish_reason, usage=usage, model="scripted", id="answer-1")

    return script


def hangs_after(*pieces: str) -> Script:
    """Return a script that answers with these pieces and then waits until the caller leaves."""

    async def script(_request: Message, _context: Context) -> AsyncIterator[Answer]:
        for piece in pieces:
            yield Answer(content=piece)
        await asyncio.Event().wait()

    return script


def fails(
    code: grpc.StatusCode, message: str, *details: AnyMessage, after: tuple[str, ...] = ()
) -> Script:
    """Return a script that answers with the pieces in `after`, then fails with this status."""
    status = Status(code=code.value[0], message=message)
    for detail in details:
        status.details.add().Pack(detail)
    return fails_raw(code, message, status.SerializeToString(), after)


def fails_raw(
    code: grpc.StatusCode, message: str, details: bytes, after: tuple[str, ...] = ()
) -> Script:
    """Return a script that fails as with `fails`, with `details` as raw bytes."""

    async def script(_request: Message, context: Context) -> AsyncIterator[Answer]:
        for piece in after:
            yield Answer(content=piece)
        trailing = (("x-request-id", REQUEST_ID), ("grpc-status-details-bin", details))
        await context.abort(code, message, trailing)

    return script


def reason(name: str) -> ErrorInfo:
    return ErrorInfo(domain="tokenwire", reason=name)


def retry_after(seconds: int, nanos: int = 0) -> RetryInfo:
    return RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))


def bad_field(field: str, description: str) -> BadRequest:
    violation = BadRequest.FieldViolation(field=field, description=description)
    return BadRequest(field_violations=[violation])
