"""The service, which answers as openai.Chatgpt does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from google.api import httpbody_pb2

from tokenwire.aiplatform.v1beta1 import prediction_service_pb2 as pb
from tokenwire.api.aiplatform.body import decode_body
from tokenwire.api.aiplatform.chunks import WrittenCompletion, WrittenDelta, in_chunks
from tokenwire.api.aiplatform.endpoint_name import model_of
from tokenwire.api.aiplatform.fields import FIELDS
from tokenwire.api.aiplatform.parsing import CONTENT_TYPE, parse, request_limits
from tokenwire.api.aiplatform.request import to_request
from tokenwire.api.aiplatform.whole import as_a_whole
from tokenwire.api.chatgpt.service import ChatgptService
from tokenwire.api.endpoint import Endpoint
from tokenwire.api.field_names import MessagePlaces
from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import AnswerStream, Completion, Delta
from tokenwire.core.large_work import next_step
from tokenwire.core.method import CHAT, Method, MethodType

SERVICE: Final = pb.DESCRIPTOR.services_by_name["PredictionService"].full_name
SERVICES: Final = (SERVICE,)
CHAT_COMPLETIONS: Final = Method(SERVICE, "ChatCompletions", MethodType.SERVER_STREAM, CHAT)
METHODS: Final = (CHAT_COMPLETIONS,)
"""Every method of the service, as `AiplatformService.endpoints` has them."""
LARGE_BYTES: Final = 1 << 16
"""The size of a body from which its conversion and its validation are steps of large work."""
MODEL: Final = "params.model"


@dataclass(frozen=True, slots=True)
class AiplatformService:
    """The methods of PredictionService.

    Attributes:
        chat: Answers the messages.
        max_turns: The most turns of a history.
        max_text_bytes: The most bytes of a body without its inline data.
    """

    chat: ChatgptService
    max_turns: int
    max_text_bytes: int

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the service's entries of the method table."""
        return [
            Endpoint(
                CHAT_COMPLETIONS,
                check=request_limits().check,
                parse=parse,
                handle=self.complete,
                serialize=httpbody_pb2.HttpBody.SerializeToString,
                encode=to_body,
                encode_finish=to_finish,
                encode_last=to_last,
                field_name=FIELDS.field_name,
            )
        ]

    async def complete(self, request: pb.ChatCompletionsRequest, call: CallRecord) -> AnswerStream:
        """Return the model's answer as a stream, or as one message if the body asks for that.

        Raises:
            ServiceError: The request is invalid.
        """
        endpoint = request.endpoint
        data = request.http_body.data
        del request
        model = model_of(endpoint)
        decoded = await decode_body(data, self.max_turns)
        is_large = len(data) > LARGE_BYTES
        if is_large:
            await next_step()
        asked = to_request(decoded, len(data), self.max_turns, self.max_text_bytes)
        del data, decoded
        if is_large:
            await next_step()
        params, places = asked.message.params, asked.places
        names_model = bool(model) and not params.model
        call.field_name = _with_endpoint(places) if names_model else places.field_name
        params.model = params.model or model
        streams, with_usage = asked.streams, asked.with_usage
        answering = self.chat.send(asked.message, call, asked.body)
        # Both are large, and an answer can take minutes.
        del asked, params
        answer = await answering
        if streams:
            return in_chunks(answer, call, with_usage=with_usage)
        return as_a_whole(answer, call)


def _with_endpoint(places: MessagePlaces) -> Callable[[str], str]:
    """Return a function that names the fields of a request whose endpoint names the model."""
    return lambda path: "endpoint" if path == MODEL else places.field_name(path)


def to_body(event: Delta, call: CallRecord) -> httpbody_pb2.HttpBody:
    """Convert a part of the answer to a message."""
    del call
    assert isinstance(event, WrittenDelta)  # noqa: S101 - for the type checker
    return httpbody_pb2.HttpBody(content_type=CONTENT_TYPE, data=event.chunk)


def to_finish(completion: Completion, call: CallRecord) -> httpbody_pb2.HttpBody | None:
    """Return the message before the last one; None if there is none."""
    del call
    assert isinstance(completion, WrittenCompletion)  # noqa: S101 - for the type checker
    if not completion.finish:
        return None
    return httpbody_pb2.HttpBody(content_type=CONTENT_TYPE, data=completion.finish)


def to_last(completion: Completion, call: CallRecord) -> httpbody_pb2.HttpBody:
    """Return the last message of a complete answer."""
    del call
    assert isinstance(completion, WrittenCompletion)  # noqa: S101 - for the type checker
    return httpbody_pb2.HttpBody(content_type=CONTENT_TYPE, data=completion.last)
