"""openai.Chatgpt over a model."""

import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from tokenwire.api.chatgpt.field_limits import FieldLimits
from tokenwire.api.chatgpt.wire import Defaults, to_answer, to_request
from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord
from tokenwire.core.chat_model import ChatModel
from tokenwire.core.domain import AnswerStream, ChatRequest
from tokenwire.core.method import Method, MethodType
from tokenwire.v1 import chatgpt_pb2 as pb

SERVICE: Final = pb.DESCRIPTOR.services_by_name["Chatgpt"].full_name
SEND: Final = Method(SERVICE, "Send", MethodType.SERVER_STREAM)

OnAsk: TypeAlias = Callable[[ChatRequest, CallRecord], Awaitable[None]]


class ChatgptService:
    """The methods of openai.Chatgpt.

    Args:
        model: Writes the answers.
        defaults: Fill in what a request leaves open.
        limits: What a request may hold.
        on_ask: Awaited before the model is asked.
    """

    def __init__(
        self, model: ChatModel, defaults: Defaults, limits: FieldLimits, on_ask: OnAsk
    ) -> None:
        self._model = model
        self._defaults = defaults
        self._limits = limits
        self._on_ask = on_ask

    def endpoints(self) -> list[Endpoint]:
        """Return the entries of the table of methods."""
        return [
            Endpoint(
                SEND,
                check=self._limits.check,
                parse=pb.Message.FromString,
                handle=self.send,
                serialize=pb.Answer.SerializeToString,
                encode=to_answer,
                late_error=_late_error,
            )
        ]

    async def send(self, message: pb.Message, call: CallRecord) -> AnswerStream:
        """Return the stream of the model's answer to `message`.

        Raises:
            ServiceError: The request is invalid.
        """
        request = to_request(message, self._defaults)
        call.model = request.model
        call.attempts.asked = time.monotonic()
        await self._on_ask(request, call)
        return self._model.stream(request, call)


def _late_error(reason: str) -> pb.Answer:
    return pb.Answer(error=reason)
