"""The services of xAI's API, answered as the calls of openai.Chatgpt are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tokenwire.api.chatgpt.service import ChatgptService
from tokenwire.api.endpoint import Endpoint
from tokenwire.api.xai import key_info, models
from tokenwire.api.xai.answers import to_chunk, to_finish_chunk, to_last_chunk, to_response
from tokenwire.api.xai.field_limits import completion_limits
from tokenwire.api.xai.fields import FIELDS
from tokenwire.api.xai.models import LanguageModels
from tokenwire.api.xai.request import to_message
from tokenwire.api.xai.unserved import served
from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import AnswerStream
from tokenwire.core.large_work import next_step
from tokenwire.core.method import CHAT, Method, MethodType
from tokenwire.v1 import chatgpt_pb2
from tokenwire.xai.v1 import xai_pb2 as pb

CHAT_SERVICE: Final = pb.DESCRIPTOR.services_by_name["Chat"].full_name
SERVICES: Final = (CHAT_SERVICE, models.SERVICE, key_info.SERVICE)
STREAM: Final = Method(CHAT_SERVICE, "GetCompletionChunk", MethodType.SERVER_STREAM, CHAT)
WHOLE: Final = Method(CHAT_SERVICE, "GetCompletion", MethodType.UNARY, CHAT)
METHODS: Final = (STREAM, WHOLE, models.LIST, models.GET, key_info.KEY_INFO)
"""Every method of the services, as `XaiService.endpoints` has them."""
LARGE: Final = 256
"""The number of messages from which their conversion and their validation are two steps of large
work. Each takes milliseconds."""


@dataclass(frozen=True, slots=True)
class XaiService:
    """The methods of xAI's API.

    Attributes:
        chat: Answers the messages.
        max_turns: The most turns of a history.
        max_text_bytes: The most bytes of a request without its inline data.
    """

    chat: ChatgptService
    max_turns: int
    max_text_bytes: int

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the services' entries of the method table."""
        check = completion_limits(self.max_turns, self.max_text_bytes).check
        parse = served(pb.GetCompletionsRequest)
        return [
            Endpoint(
                STREAM,
                check=check,
                parse=parse,
                handle=self.stream,
                serialize=pb.GetChatCompletionChunk.SerializeToString,
                encode=to_chunk,
                encode_finish=to_finish_chunk,
                encode_last=to_last_chunk,
                field_name=FIELDS.field_name,
                clients_retry=True,
            ),
            Endpoint(
                WHOLE,
                check=check,
                parse=parse,
                handle=self.complete,
                serialize=pb.GetChatCompletionResponse.SerializeToString,
                field_name=FIELDS.field_name,
                clients_retry=True,
            ),
            *LanguageModels(self.chat.catalog).endpoints(),
            key_info.key_info_endpoint(),
        ]

    async def stream(self, request: pb.GetCompletionsRequest, call: CallRecord) -> AnswerStream:
        """Return the model's answer as a stream.

        Raises:
            ServiceError: The request is invalid.
        """
        message = await _to_message(request, call)
        del request
        return await self.chat.send(message, call)

    async def complete(
        self, request: pb.GetCompletionsRequest, call: CallRecord
    ) -> pb.GetChatCompletionResponse:
        """Return the model's whole answer.

        Raises:
            ServiceError: The request is invalid, or the answer cannot be completed.
        """
        message = await _to_message(request, call)
        del request
        asking = self.chat.ask(message, call)
        # The message is large, and an answer can take minutes.
        del message
        return to_response(await asking, call)


async def _to_message(request: pb.GetCompletionsRequest, call: CallRecord) -> chatgpt_pb2.Message:
    """Convert a request, so that errors of the call name its fields."""
    message, places = to_message(request)
    call.field_name = places.field_name
    if len(request.messages) > LARGE:
        await next_step()
    return message
