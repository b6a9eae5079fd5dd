"""One call: the message goes to the model, the model's answer to the caller."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

import grpc

from tokenwire.api.chatgpt.wire import Defaults, to_answer, to_request
from tokenwire.core import call_record
from tokenwire.core.call_deadline import Watchdog
from tokenwire.core.domain import ChatModel, Completion, Whole
from tokenwire.core.errors import SlowConsumer, UpstreamIdleTimeout, UpstreamTimeout
from tokenwire.server.write_pacer import WritePacer
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

# Quoted because grpc's classes are generic only to the type checker.
Context: TypeAlias = "grpc.aio.ServicerContext[pb.Message, pb.Answer]"

SERVICE = pb.DESCRIPTOR.services_by_name["Chatgpt"].full_name


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits of the steps of an answer, in seconds.

    Attributes:
        first_token: From the start of the call to the first token, retries included.
        idle: Between two tokens.
        reader: For the caller's connection to take an Answer.
    """

    first_token: float
    idle: float
    reader: float


class ChatgptServicer(chatgpt_pb2_grpc.ChatgptServicer):
    """openai.Chatgpt over a model.

    Args:
        model: Writes the answers.
        defaults: Fill in what a request leaves open.
        timeouts: Time limits of the steps of an answer.
    """

    def __init__(self, model: ChatModel, defaults: Defaults, timeouts: Timeouts) -> None:
        self._model = model
        self._defaults = defaults
        self._timeouts = timeouts
        self._write_pacer = WritePacer()

    # Writing to the context, rather than yielding, keeps cancellation inside
    # this frame even while a slow reader blocks a write; the stub's types know
    # only generators.
    async def Send(  # type: ignore[override]  # noqa: N802 - the contract's name
        self, request: pb.Message, context: Context
    ) -> None:
        """Stream the model's answer to `request`.

        Raises:
            ServiceError: The request is invalid or the answer cannot be completed.
        """
        call = call_record.current.get()
        timeouts = self._timeouts
        watchdog = call.watchdog
        write_pacer = self._write_pacer
        chat = to_request(request, self._defaults)
        call.model = chat.model
        watchdog.expect(timeouts.first_token, UpstreamTimeout)
        stream = self._model.stream(chat, self._deadline(context, watchdog))
        # The model lets go of them once the answer has begun, and an answer can take long.
        del request, chat
        whole = False
        async with aclosing(stream) as answer:
            async for event in answer:
                if isinstance(event, Whole):
                    # The model gives up by itself, and well; no time of ours may come first.
                    watchdog.expect_rest(event.seconds, timeouts.idle, UpstreamIdleTimeout)
                    whole = True
                    continue
                if isinstance(event, Completion):
                    call.completion = event
                    watchdog.answer_is_whole()
                    break
                if whole:
                    whole = False
                    watchdog.expect(timeouts.idle, UpstreamIdleTimeout)
                # Before the write, during which the caller may leave: this much was received.
                call.received(event.tokens)
                if write_pacer.must_wait():
                    await write_pacer.wait()
                watchdog.expect_write(timeouts.reader, SlowConsumer)
                # Counted first: what gRPC was handed it may deliver, even if nobody waits for it.
                call.answers_sent += 1
                if call.answers_sent > 1:
                    await context.write(to_answer(event))
                else:
                    call.first_write = _begin_write(to_answer(event), context)
                    await _written(call.first_write)
                watchdog.expect(timeouts.idle, UpstreamIdleTimeout)
        assert call.completion is not None  # noqa: S101 - the model's promise
        if write_pacer.must_wait():
            await write_pacer.wait()
        # However long this takes, the answer is no failure; the time only ends the wait.
        watchdog.expect_write(timeouts.reader, SlowConsumer)
        call.answers_sent += 1
        call.last_write = _begin_write(to_answer(call.completion), context)
        call.first_write = call.first_write or call.last_write
        await _written(call.last_write)

    def _deadline(self, context: Context, watchdog: Watchdog) -> float:
        """Return when the first token must have come, by the event loop's clock."""
        remaining: float | None = context.time_remaining()
        seconds = min(self._timeouts.first_token, math.inf if remaining is None else remaining)
        return min(asyncio.get_running_loop().time() + seconds, watchdog.end)


def _begin_write(answer: pb.Answer, context: Context) -> asyncio.Future[None]:
    """Write in a way that goes on when the call ends within it."""
    write = asyncio.ensure_future(context.write(answer))
    write.add_done_callback(_forgive)
    return write


async def _written(write: asyncio.Future[None]) -> None:
    await asyncio.shield(write)


def _forgive(write: asyncio.Future[None]) -> None:
    """Keep asyncio from logging a failure that a caller caused by leaving."""
    if not write.cancelled():
        write.exception()
