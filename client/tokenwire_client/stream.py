import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import grpc

from tokenwire_client.errors import ChatError, Metadatum, find_request_id
from tokenwire_client.v1.chatgpt_pb2 import Answer, Message


class AnswerStream(AsyncIterator[Answer]):
    """The answer to one message, piece by piece, as `Client.send` returns it.

    The call has already begun. Iterate to the end, or leave early: `aclose`,
    the end of an `async with` block, cancellation of the reading task, or
    dropping the last reference (as `break` in `async for answer in
    client.send(...)` does) each cancel the call at once, and the server stops
    the model.

    Attributes:
        trailing_metadata: What the server sent with the end of the call; empty
            until then, and when the call was left early.
    """

    def __init__(self, call: grpc.aio.UnaryStreamCall[Message, Answer]) -> None:
        self.trailing_metadata: tuple[Metadatum, ...] = ()
        self._call = call
        self._ended = False

    @property
    def request_id(self) -> str:
        """The server's name of the call; empty until the call has ended."""
        return find_request_id(self.trailing_metadata)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Answer:
        """Wait for the next piece.

        Raises:
            ChatError: The call failed.
            StopAsyncIteration: The answer is complete, or the stream was closed.
        """
        if self._ended:
            raise StopAsyncIteration
        try:
            answer = await self._call.read()
        except grpc.aio.AioRpcError as error:
            self._end(error.trailing_metadata())
            raise ChatError.from_rpc_error(error) from error
        except asyncio.CancelledError:
            if (reason := self._not_this_task()) is None:
                raise
            raise reason from None
        if isinstance(answer, Answer):
            return answer
        if answer is not grpc.aio.EOF:
            # grpc.aio hands out None for bytes that are no Answer.
            self._cancel()
            raise ChatError(grpc.StatusCode.INTERNAL, "the server sent bytes that are no Answer")
        self._end(await self._call.trailing_metadata())
        raise StopAsyncIteration

    def _not_this_task(self) -> Exception | None:
        # grpc.aio says CancelledError for three things: this task is being
        # cancelled, another task closed the stream, or the client was closed.
        closed = self._ended
        self._cancel()
        task = asyncio.current_task()
        if task is None or task.cancelling():
            return None
        if closed:
            return StopAsyncIteration()
        return ChatError(
            grpc.StatusCode.CANCELLED, "the client was closed before the answer was complete"
        )

    async def aclose(self) -> None:
        """Cancel the call if it still runs. Iterating further yields nothing."""
        self._cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # Here and not left to grpc.aio: its call lives in a reference cycle while
        # the request is on its way, so it would only end with the next collection.
        self._cancel()

    def _cancel(self) -> None:
        if not self._ended:
            self._end(None)
            self._call.cancel()

    def _end(self, metadata: grpc.aio.Metadata | None) -> None:
        self._ended = True
        self.trailing_metadata = tuple(metadata or ())
