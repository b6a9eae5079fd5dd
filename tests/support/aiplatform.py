"""Clients of Vertex AI's API made of the generated stubs."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.api import httpbody_pb2

from tokenwire.aiplatform.v1beta1 import prediction_service_pb2 as pb
from tokenwire.aiplatform.v1beta1 import prediction_service_pb2_grpc

HELLO_BODY = {"messages": [{"role": "user", "content": "hello"}]}


class AiplatformStub:
    """A stub of PredictionService.

    Attributes:
        channel: The channel to the server.
        call: The method; takes a request.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.call: Any = prediction_service_pb2_grpc.PredictionServiceStub(channel).ChatCompletions

    async def chunks(self, *, endpoint: str = "", options: Any = None, **body: Any) -> list[Any]:
        """Return the decoded chunks of a stream; `body` is added to HELLO_BODY."""
        request = with_body({**HELLO_BODY, "stream": True, **body}, endpoint)
        return [decoded(each) async for each in self.call(request, **(options or {}))]

    async def whole(self, *, endpoint: str = "", options: Any = None, **body: Any) -> Any:
        """Return the one decoded completion; `body` is added to HELLO_BODY."""
        request = with_body({**HELLO_BODY, **body}, endpoint)
        [found] = [decoded(each) async for each in self.call(request, **(options or {}))]
        return found


@asynccontextmanager
async def aiplatform_stub(address: str) -> AsyncIterator[AiplatformStub]:
    """Connect to a server."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield AiplatformStub(channel)


def with_body(body: object, endpoint: str = "") -> pb.ChatCompletionsRequest:
    """Return a request with the JSON of a body."""
    return with_data(json.dumps(body).encode(), endpoint)


def with_data(data: bytes, endpoint: str = "", **fields: Any) -> pb.ChatCompletionsRequest:
    """Return a request with the bytes of a body."""
    fields.setdefault("content_type", "application/json")
    body = httpbody_pb2.HttpBody(data=data, **fields)
    return pb.ChatCompletionsRequest(endpoint=endpoint, http_body=body)


def decoded(message: httpbody_pb2.HttpBody) -> Any:
    """Return the JSON of a message of an answer."""
    assert message.content_type == "application/json"
    return json.loads(message.data)


def text_in(chunks: list[Any]) -> str:
    """Return the text of the chunks of an answer."""
    deltas = [each["delta"] for chunk in chunks for each in chunk["choices"]]
    return "".join(delta.get("content", "") for delta in deltas)
