"""From what an endpoint answers to messages, at the pace at which the caller takes them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from google.protobuf.message import Message

from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import Completion
from tokenwire.server.interceptors.base import Context, Proceed
from tokenwire.server.write_pacer import WritePacer


class Relay:
    """Runs endpoints and writes what they answer.

    Args:
        reader_seconds: The longest that the caller's connection may take for one message.
    """

    def __init__(self, reader_seconds: float) -> None:
        self._reader_seconds = reader_seconds
        self._write_pacer = WritePacer()

    def innermost(self, endpoint: Endpoint) -> Proceed:
        """Return what the innermost interceptor proceeds to."""
        encode = endpoint.encode
        if encode is None:

            async def unary(call: CallRecord, request: object, context: Context) -> None:
                response = await endpoint.handle(request, call)
                call.deadline.answer_completed()
                await self._write_last(response, call, context)

            return unary

        async def stream(call: CallRecord, request: object, context: Context) -> None:
            answer = await endpoint.handle(request, call)
            # The model lets go of it once the answer has begun, and an answer can take long.
            del request
            deadline = call.deadline
            write_pacer = self._write_pacer
            async with aclosing(answer) as events:
                async for event in events:
                    if isinstance(event, Completion):
                        call.completion = event
                        deadline.answer_completed()
                        break
                    # Before the write, during which the caller may leave: it was received.
                    call.add_delta(event)
                    if write_pacer.must_wait():
                        await write_pacer.wait()
                    deadline.begin_write(self._reader_seconds)
                    # Counted first: what gRPC was handed it may deliver, even if nobody waits.
                    call.answers_sent += 1
                    if call.answers_sent > 1:
                        await context.write(encode(event))
                    else:
                        call.first_write = _begin_write(encode(event), context)
                        await asyncio.shield(call.first_write)
                    deadline.end_write()
            assert call.completion is not None  # noqa: S101 - the endpoint's promise
            await self._write_last(encode(call.completion), call, context)

        return stream

    async def _write_last(self, message: Message, call: CallRecord, context: Context) -> None:
        if self._write_pacer.must_wait():
            await self._write_pacer.wait()
        # However long this takes, the answer is no failure; the time only ends the wait.
        call.deadline.begin_write(self._reader_seconds)
        call.answers_sent += 1
        call.last_write = _begin_write(message, context)
        call.first_write = call.first_write or call.last_write
        await asyncio.shield(call.last_write)


def _begin_write(message: Message, context: Context) -> asyncio.Future[None]:
    """Write in a way that goes on when the call ends within it."""
    write = asyncio.ensure_future(context.write(message))
    write.add_done_callback(_forgive)
    return write


def _forgive(write: asyncio.Future[None]) -> None:
    """Keep asyncio from logging a failure that a caller caused by leaving."""
    if not write.cancelled():
        write.exception()
