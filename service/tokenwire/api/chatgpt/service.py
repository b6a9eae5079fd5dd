"""The openai.Chatgpt service."""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeAlias

from tokenwire.api.chatgpt.answers import to_answer, to_failed_answer, to_last_answer
from tokenwire.api.chatgpt.catalog import Catalogs, check_allowed
from tokenwire.api.chatgpt.embeddings import EMBED
from tokenwire.api.chatgpt.field_limits import FieldLimits
from tokenwire.api.chatgpt.labels import to_labels
from tokenwire.api.chatgpt.logprobs import to_logprob_messages
from tokenwire.api.chatgpt.models import LIST_MODELS
from tokenwire.api.chatgpt.token_counts import COUNT_TOKENS
from tokenwire.api.chatgpt.tools import to_messages
from tokenwire.api.chatgpt.wire import to_request
from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord
from tokenwire.core.chat_model import ChatModel
from tokenwire.core.domain import AnswerStream, ChatBody, ChatRequest, Completion, ToolCall
from tokenwire.core.errors import UpstreamResponseTooLarge
from tokenwire.core.method import CHAT, Method, MethodType
from tokenwire.core.token_counter import estimate
from tokenwire.v1 import chatgpt_pb2 as pb

SERVICE: Final = pb.DESCRIPTOR.services_by_name["Chatgpt"].full_name
SEND: Final = Method(SERVICE, "Send", MethodType.SERVER_STREAM, CHAT)
ASK: Final = Method(SERVICE, "Ask", MethodType.UNARY, CHAT)
METHODS: Final = (SEND, ASK, LIST_MODELS, COUNT_TOKENS, EMBED)
"""Every method of the service, as `ChatgptService.endpoints` has them."""

MAX_ANSWER_BYTES: Final = 4_000_000
"""The most text, reasoning and log probabilities in one Answer of `Ask`, in bytes. By default,
clients of gRPC reject messages above 4 MiB."""

OnModelCall: TypeAlias = Callable[[ChatRequest, CallRecord], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ChatgptService:
    """The methods of openai.Chatgpt.

    Attributes:
        model: The model that generates the answers.
        catalog: Returns what the server offers.
        limits: The limits on a request's fields.
        on_model_call: Awaited before each call of the model.
        others: The entries of the methods that do not answer a message.
    """

    model: ChatModel
    catalog: Catalogs
    limits: FieldLimits
    on_model_call: OnModelCall
    others: Sequence[Endpoint] = ()

    def endpoints(self) -> list[Endpoint]:
        """Return the service's entries of the method table."""
        return [
            Endpoint(
                SEND,
                check=self.limits.check,
                parse=pb.Message.FromString,
                handle=self.send,
                serialize=pb.Answer.SerializeToString,
                encode=to_answer,
                encode_last=to_last_answer,
                late_error=to_failed_answer,
            ),
            Endpoint(
                ASK,
                check=self.limits.check,
                parse=pb.Message.FromString,
                handle=self.ask,
                serialize=pb.Answer.SerializeToString,
            ),
            *self.others,
        ]

    async def send(
        self, message: pb.Message, call: CallRecord, body: ChatBody | None = None
    ) -> AnswerStream:
        """Return the model's answer to `message` as a stream.

        Args:
            message: The message.
            call: The record of the call.
            body: The request as the caller wrote it, if that was in another form.

        Raises:
            ServiceError: The request is invalid.
        """
        if message.labels:
            call.labels = to_labels(message.labels)
        catalog = self.catalog()
        request = to_request(message, catalog.defaults_of(call.caller))
        if body:
            request = request.with_body(body)
        call.model = request.model
        check_allowed(call.caller, request.model, "params.model")
        call.price = catalog.prices.get(request.model)
        call.input_estimate = (await estimate(request)).input_tokens
        call.attempts.started = time.monotonic()
        await self.on_model_call(request, call)
        return self.model.stream(request, call)

    async def ask(self, message: pb.Message, call: CallRecord) -> pb.Answer:
        """Return the model's whole answer to `message`.

        Raises:
            ServiceError: The request is invalid, the answer cannot be completed, or it is longer
                than MAX_ANSWER_BYTES.
        """
        texts: list[str] = []
        reasonings: list[str] = []
        calls: list[ToolCall] = []
        logprobs: list[pb.TokenLogprob] = []
        size = 0
        message.stream_tool_calls = message.show_progress = False
        async with aclosing(await self.send(message, call)) as events:
            # As the relay does for a stream.
            del message
            async for event in events:
                if isinstance(event, Completion):
                    call.completion = event
                    call.deadline.answer_completed()
                    break
                call.add_delta(event)
                size += len(event.text.encode()) + len(event.reasoning.encode())
                added = to_logprob_messages(event.logprobs)
                size += sum(each.ByteSize() for each in added)
                logprobs += added
                if size > MAX_ANSWER_BYTES:
                    raise UpstreamResponseTooLarge
                texts.append(event.text)
                reasonings.append(event.reasoning)
                # Their size is limited where they are assembled.
                calls += event.tool_calls
        assert call.completion is not None  # noqa: S101 - the last event is a Completion
        answer = to_last_answer(call.completion, call)
        answer.content = "".join(texts)
        answer.reasoning = "".join(reasonings)
        answer.tool_calls.extend(to_messages(calls))
        answer.logprobs.extend(logprobs)
        return answer
