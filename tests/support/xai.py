"""Clients of xAI's API made of the generated stubs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from tokenwire.xai.v1 import xai_pb2 as pb
from tokenwire.xai.v1 import xai_pb2_grpc


class XaiStubs:
    """The stubs of all services.

    Attributes:
        channel: The channel to the server.
        chat: The stub of xai_api.Chat.
        models: The stub of xai_api.Models.
        auth: The stub of xai_api.Auth.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.chat = xai_pb2_grpc.ChatStub(channel)
        self.models = xai_pb2_grpc.ModelsStub(channel)
        self.auth = xai_pb2_grpc.AuthStub(channel)

    async def stream(
        self, request: pb.GetCompletionsRequest, **options: Any
    ) -> list[pb.GetChatCompletionChunk]:
        """Return all chunks of an answer; `options` are gRPC's."""
        return [chunk async for chunk in self.chat.GetCompletionChunk(request, **options)]


@asynccontextmanager
async def xai_stubs(address: str) -> AsyncIterator[XaiStubs]:
    """Connect to a server."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield XaiStubs(channel)


def said(*texts: str, role: pb.MessageRole.ValueType = pb.ROLE_USER) -> pb.Message:
    """Return a message with texts."""
    return pb.Message(role=role, content=[pb.Content(text=text) for text in texts])


def asked(*messages: pb.Message, **fields: Any) -> pb.GetCompletionsRequest:
    """Return a request; without messages, with one of the user."""
    return pb.GetCompletionsRequest(messages=messages or [said("hello")], **fields)


def function(name: str = "lookup", **fields: Any) -> pb.Tool:
    """Return a tool."""
    return pb.Tool(function=pb.Function(name=name, **fields))


def called(id_: str, name: str = "lookup", arguments: str = "{}") -> pb.ToolCall:
    """Return a call of a tool."""
    return pb.ToolCall(
        id=id_,
        type=pb.TOOL_CALL_TYPE_CLIENT_SIDE_TOOL,
        function=pb.FunctionCall(name=name, arguments=arguments),
    )


def image(url: str, **fields: Any) -> pb.Content:
    """Return an image by its address or with its data."""
    return pb.Content(image_url=pb.ImageUrlContent(image_url=url, **fields))
