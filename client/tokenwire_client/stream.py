"""The stream of one answer."""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import grpc

from tokenwire_client.errors import ChatError, Metadatum, find_request_id
from tokenwire_client.v1.chatgpt_pb2 import Answer, Message


class AnswerStream(AsyncIterator[Answer]):
    """The answer to one message. `Client.send` returns it after the call has started.

    Iterate to the end, or leave early. Each of these cancels the call at once, and
    the server stops the model: `aclose`, the end of an `async with` block, the
    cancellation of the reading task, and dropping the last reference, as `break` in
    `async for answer in client.send(...)` does.

    Attributes:
        trailing_metadata: The trailing metadata of the call; empty until the call
            ends, and if it was cancelled.
    """

    def __init__(self, call: grpc.aio.UnaryStreamCall[Message, Answer]) -> None:
        self.trailing_metadata: tuple[Metadatum, ...] = ()
        self._call = call
        self._ended = False

    @property
    def request_id(self) -> str:
        """The id of the call in the server's log; empty until the call has ended."""
        return find_request_id(self.trailing_metadata)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Answer:
        """Return the next part of the answer.

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
            if (ended := self._end_by_others()) is None:
                raise
            raise ended from None
        if isinstance(answer, Answer):
            return answer
        if answer is not grpc.aio.EOF:
            # grpc.aio returns None for a message that does not parse.
            self._cancel()
            raise ChatError(
                grpc.StatusCode.INTERNAL, "the server sent a message that is not a valid Answer"
            )
        self._end(await self._call.trailing_metadata())
        raise StopAsyncIteration

    def _end_by_others(self) -> Exception | None:
        """Return the exception that ends the iteration; None if this task is being cancelled.

        grpc.aio raises CancelledError in three cases: this task is being cancelled,
        another task has closed the stream, or the client was closed.
        """
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
        """Cancel the call if it is running. After that, the iteration ends."""
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
        # While the request is being sent, grpc.aio's call is part of a reference cycle,
        # so without this the call would end only at the next garbage collection.
        self._cancel()

    def _cancel(self) -> None:
        if not self._ended:
            self._end(None)
            self._call.cancel()

    def _end(self, metadata: grpc.aio.Metadata | None) -> None:
        self._ended = True
        self.trailing_metadata = tuple(metadata or ())
