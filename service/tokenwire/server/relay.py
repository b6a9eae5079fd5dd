"""Writes an endpoint's events to the caller as messages, with flow control."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing

from google.protobuf.message import Message

from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import Completion
from tokenwire.server.interceptors.base import CallHandler, Context
from tokenwire.server.write_pacer import WritePacer


class Relay:
    """Runs endpoints and writes their responses.

    Args:
        reader_seconds: The longest time that one write may wait for the caller's connection.
    """

    def __init__(self, reader_seconds: float) -> None:
        self._reader_seconds = reader_seconds
        self._write_pacer = WritePacer()

    def endpoint_handler(self, endpoint: Endpoint) -> CallHandler:
        """Return the handler at the end of the interceptor chain."""
        encode, encode_last = endpoint.encode, endpoint.encode_last
        encode_finish = endpoint.encode_finish
        if encode is None or encode_last is None:

            async def unary(call: CallRecord, request: object, context: Context) -> None:
                handling = endpoint.handle(request, call)
                # Frees the request while the handler waits, which can take minutes.
                del request
                response = await handling
                call.deadline.answer_completed()
                await self._write_last(response, call, context)

            return unary

        async def stream(call: CallRecord, request: object, context: Context) -> None:
            turn = call.turn = self._write_pacer.turn()
            answer = await endpoint.handle(request, call)
            # Frees the request for the rest of the answer, which can take minutes. The model
            # drops its own reference when the answer begins.
            del request
            deadline = call.deadline
            async with aclosing(answer) as events:
                async for event in events:
                    if isinstance(event, Completion):
                        call.completion = event
                        deadline.answer_completed()
                        break
                    # Recorded before the write, which fails if the caller disconnects.
                    call.add_delta(event)
                    if not turn.taken and turn.must_wait():
                        await turn.wait()
                    turn.taken = False
                    deadline.begin_write(self._reader_seconds)
                    # Counted before the write: gRPC may deliver it even if the write fails.
                    call.answers_sent += 1
                    if call.answers_sent > 1:
                        await context.write(encode(event, call))
                    else:
                        call.first_write = _begin_write(context.write(encode(event, call)))
                        await asyncio.shield(call.first_write)
                    deadline.end_write()
            assert call.completion is not None  # noqa: S101 - the last event is a Completion
            last = encode_last(call.completion, call)
            if encode_finish is None:
                await self._write_last(last, call, context)
            else:
                finish = encode_finish(call.completion, call)
                await self._write_last(last, call, context, finish)

        return stream

    async def _write_last(
        self, message: Message, call: CallRecord, context: Context, before: Message | None = None
    ) -> None:
        """Write the last message, and another one before it if there is one."""
        if call.turn and call.turn.must_wait():
            await call.turn.wait()
        # The answer is complete: the time limit only ends the wait and does not fail the call.
        call.deadline.begin_write(self._reader_seconds)
        call.answers_sent += 1
        if before is None:
            call.last_write = _begin_write(context.write(message))
        else:
            call.answers_sent += 1
            call.last_write = _begin_write(_write_both(before, message, context))
        call.first_write = call.first_write or call.last_write
        await asyncio.shield(call.last_write)


async def _write_both(first: Message, second: Message, context: Context) -> None:
    await context.write(first)
    await context.write(second)


def _begin_write(writing: Awaitable[None]) -> asyncio.Future[None]:
    """Start a write that continues if the call's task is cancelled."""
    write = asyncio.ensure_future(writing)
    write.add_done_callback(_retrieve_exception)
    return write


def _retrieve_exception(write: asyncio.Future[None]) -> None:
    """Retrieve the exception, so that asyncio does not log it when a caller disconnects."""
    if not write.cancelled():
        write.exception()
